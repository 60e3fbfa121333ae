// Package containerd runs the nodes of a member as real ones: for each a process
// tree in namespaces of its own, with containerd, a kubelet and a kube-proxy, all
// plugged into one bridge. Package node is what runs inside.
//
// Promises:
//
//  1. A node ends with the process that runs Nodes, however that ends: the kernel
//     kills the node's first process, and with it everything in its namespaces.
//  2. What a node leaves outside of itself is removed when Run returns, when the
//     member starts again, or by host.Network.Clean.
//  3. A node that was stopped, or died, stays dead until it is started.
//
// It needs root, and some programs of the distribution; see host.Check.
package containerd
