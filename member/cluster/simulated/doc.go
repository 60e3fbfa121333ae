// Package simulated gives an embedded member nodes that run nothing: kwok's
// controllers play the kubelets, so that pods become Running and Ready, jobs
// complete and deletions finish without a container runtime.
//
// Job: keep the Node objects as configured, hand out addresses of the member's
// pod range, and run kwok's controllers.
//
// Every node carries the label LabelNodeKind and kwok's own annotation, so that
// nobody takes a simulated node for a real one. kwok's goroutines end with the
// context, but kwok offers no way to wait for them.
package simulated
