// Package cli is the command line of hansa: thin commands over gateway/v1. A
// command parses its arguments, asks the gateway, and prints; it decides nothing
// and knows no bus, hub or member.
//
// What a user can rely on:
//
//  1. Exit code 0: done. 1: it failed or was refused, and one line on standard
//     error says what was wrong and what to do. 2: the command line is wrong, and
//     the line has a hint.
//  2. Answers go to standard output, everything else to standard error, so a pipe
//     sees answers only. Progress is one line that changes on a terminal, and one
//     line per change elsewhere.
//  3. Colour is on terminals only and never carries what the text does not say.
//  4. JSON: lists are under "items"; numbers are numbers, times are RFC 3339; a
//     field that is empty is there with its zero value, an object that is not
//     known is absent. In metadata, as in Kubernetes, empty fields are absent.
//  5. What removes or moves something asks on a terminal and needs --yes elsewhere.
//
// Which gateway is asked stands in the context file, by default config.yaml in
// the home directory ($HANSA_HOME, else ~/.hansa). Nothing is dialled before a
// command needs it, so "hansa version" and completion cost nothing.
//
// The composition root adds commands of its own (the roles, and those that act on
// this machine) through Options.Commands.
package cli
