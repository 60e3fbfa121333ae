// Package configs holds what Hansa is configured with by default, embedded in
// the binaries, and the strict reader of every configuration file. README.md beside it
// is the operations guide; its examples are loaded by a test.
//
// A file is one YAML document. An unknown field, a field given twice, a wrong
// type or a second document is an error of one line that names the file, the
// line and, where one is near, the field that was meant.
package configs
