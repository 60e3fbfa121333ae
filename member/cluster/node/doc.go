// Package node is one containerd node, seen from inside: containerd, a kubelet, a
// kube-proxy and a DNS server, in namespaces and a control group of their own.
//
// Run is the second process of the node; the first one (hansa-pod init) only reaps
// and passes signals on, and the kernel ends everything in the node when it ends.
// Package containerd makes the namespaces, plugs in the cable, and writes Config to
// standard input.
//
// /run, /var/lib and /var/log are the node's own: what containerd and the kubelet
// keep there lies in the directory of the node, and what they mount is seen by
// nobody else.
//
// The network is flat. A node has the addresses of its pods behind a bridge, and
// answers on eth0 for each of them, and for the ClusterIPs of its member (proxy
// ARP); everything else it asks for on eth0 in the same way. So no member has to
// know the nodes of another.
package node
