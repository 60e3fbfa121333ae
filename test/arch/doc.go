// Package arch holds the laws of the tree as tests: who may import whom, what a
// pure package may do, what has to be documented, and how long a file, function
// or parameter list may be.
//
// Each law is a function from parsed files to findings, and each has a test that
// shows it a breach, so a law that sees nothing is noticed. A finding fails the
// build unless testdata/allow.txt names it with its size and a reason. An entry
// that is no longer needed fails the build too: the list may only shrink.
//
// Words:
//
//	law      a rule that a machine can check
//	finding  one breach of it, at one place
//	words    package federation: the vocabulary, imported by everybody
//	pure     decides: no I/O, clock, timer, goroutine, lock or log
//	adapter  one dependency behind a small door
//	shell    owns goroutines and I/O, feeds a pure package and obeys it
package arch
