// Package podip hands out the addresses of one member's nodes and pods.
//
// Job: give every pod an address that no other pod of the member has, also
// after a restart, and give a freed address back as late as possible, so that
// a client with an old answer does not meet a stranger.
//
// It knows no Kubernetes and keeps nothing on disk: after a restart the owner
// tells it which addresses are taken. A Pool is safe for concurrent use.
package podip
