// Package wrap runs a command inside a pod only while the member may run its workload:
// the entrypoint "hansa guard run", and the check of an init container, "hansa guard
// check". It is for workloads that must run at most once and must stop even when the
// member's control plane is dead and nobody can delete their pods.
//
// It asks the member's agent how long the lease lasts and counts from when it asked, by
// its own monotonic clock; clocks are never compared. When that time is over and no
// answer has extended it, the command gets SIGTERM and, after the grace, SIGKILL, with
// everything that it started. The agent's answer leaves room for the grace: it is the
// time at which stopping has to begin.
//
// What it cannot do: stop a command while the guard itself is not run, because the
// container or its whole node is frozen. What is frozen does no harm then, but goes on
// for an instant when it thaws; whoever cannot bear that needs storage that checks
// epochs.
package wrap
