// Package expression compiles and evaluates the expressions that users write, in the
// Common Expression Language: its standard library with optional values, as Kubernetes
// has it, and its extensions for texts, lists, sets, numbers and regular expressions.
// Kubernetes' own functions (quantity, url, …) are not there: they would bring parts of
// an API server into a binary that links none.
//
// There are two uses. A rule (federation.StatusRule) tells the state of an object; its
// expressions know the variable "object". A condition says for which objects in which
// members an override counts; it knows "member" and "object". What a rule or a condition
// may return is checked when it is compiled, as are the names of the fields of "member".
// The fields of "object" are not, since its schema is known by the members only.
//
// What it promises:
//
//  1. An expression is bounded: its text, its depth, and what one evaluation costs. What
//     costs more is given up, which is an error like any other.
//  2. An evaluation that goes wrong is an error that names the expression. It never
//     panics.
//  3. Equal inputs give equal results: there is no clock, no chance and no I/O.
//
// A Compiler is used by one goroutine; what it has compiled is safe for concurrent use.
package expression
