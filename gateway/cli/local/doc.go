// Package local starts, stops and lists the processes of a federation on one
// machine: what "hansa up", "hansa down" and "hansa member" do.
//
// One process runs bus, hub and gateway ("hansa hub"), and one process runs each
// member ("hansa-cluster"), so that killing a process kills a whole member. All
// files lie under one directory, the home; two federations with two homes do not
// know of each other.
//
// A process holds an exclusive lock on its lock file for as long as it lives,
// inherited from the command that started it. So "is it running?" is asked of the
// kernel, works after kill -9, and never mistakes a recycled process number for
// one of ours.
//
// Promises:
//
//  1. Up may be repeated: what runs is left alone, what is missing is started.
//  2. A member that died stays dead until StartMember.
//  3. Down stops all processes of the home and, unless told to keep the data,
//     removes everything that Up made. It may be repeated.
//  4. A refusal (a taken port, a wrong file) comes before anything was started.
package local
