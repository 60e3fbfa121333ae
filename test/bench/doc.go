// Package bench measures the built binaries as a user meets them. Its figures
// depend on the machine and on what else runs there; it asserts nothing, and
// only `make bench` runs it.
package bench
