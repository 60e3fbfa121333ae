// Package net breaks the network, the processes and the disk under a real
// federation, and looks whether it keeps its laws.
//
// Job: one hub (bus and gateway in the same process) and three members, each a real
// API server with simulated nodes, run as processes in network namespaces that the
// test makes: one for each, joined by a bridge in one more. Faults are drops by
// nftables on that bridge, frames lost and late on a wire of the test's own (a pair
// of TAP devices, as few kernels have netem), signals, and a full tmpfs.
//
// Laws: an at-most-one workload never runs twice; nothing is deleted from a stale
// view; what was acknowledged is kept; a fault that is no loss brings no verdict and
// moves nothing. Times are printed, never asserted.
//
// It needs root, ip, nft and /dev/net/tun, and skips without them, and the binaries
// of "make build"; "make net" runs it. Everything it makes in the system has a name
// that begins with "hnet-", is removed with the test, and what a crashed run left is
// removed by the next.
package net
