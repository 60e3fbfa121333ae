// Package script tests the command line by scripts, and reads the commands that
// Markdown files show so that a test can run them.
//
// The scripts in testdata run hansa as a process of its own against a gateway in
// the test that answers with the canned federation of canned_test.go. What they
// compare is what users see: tables, JSON, refusals and exit codes. Golden files
// are read by a person before they are committed; "go test ./test/script
// -rewrite" writes them.
package script
