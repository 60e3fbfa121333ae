// Package cluster runs a whole Kubernetes cluster in this process: etcd,
// kube-apiserver, kube-controller-manager, kube-scheduler and the nodes, all on
// loopback, with everything they keep in one directory.
//
// Job: start the parts in order, tell when the cluster is usable, end when one
// of them ends, and stop all of them in the opposite order.
//
// A process can run one Cluster, once: Kubernetes keeps feature gates, metrics
// and logging in package variables. Run sets those of logging, and the default
// slog logger, for the whole process. What a part leaves running after it was
// told to stop ends with the process.
//
// Trust: each member has a certificate authority of its own. Every user of the
// API server shows a client certificate; without one only /livez, /readyz and
// /healthz answer. etcd listens on a socket file that only this user can open.
package cluster
