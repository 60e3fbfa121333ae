// Package kubeproxy serves the Kubernetes APIs of all members at
// /members/NAME/ of the gateway, over tunnels on the bus, for kubectl and every other
// client of Kubernetes.
//
// A caller is known by the token that the rest of the gateway takes. The gateway says
// to the member's agent who it is, and the agent impersonates that: the user
// "hansa:NAME" in the group of the role, hansa:viewers, hansa:operators or
// hansa:admins. What these may do is decided by RBAC in the member. Before that, a
// role bounds what passes here, whatever the member's RBAC says:
//
//	viewer    reads: get, list and watch, logs, and questions about its own rights; no
//	          exec, attach, port-forward or proxy, which run things in the member
//	operator  everything that RBAC permits, also exec
//	admin     the same; RBAC makes the difference
//
// What callers say about identity (Impersonate-*, X-Remote-*) is refused or dropped,
// and paths that two parsers could read differently (dots, doubled or encoded slashes)
// are refused. Every refusal is a Status object, of which kubectl prints the message.
//
// Each connection is a tunnel of its own, so that a slow reader stops only itself, and
// answers are passed on as they come. A tunnel that breaks breaks the answer: a watch
// ends with an error and not as if it were over, and so does an upgraded connection,
// which is reset. Of such a one each direction ends by itself; when the member has ended
// it, the caller has a minute to do so, too.
//
// Bounds: a caller has at most 64 requests under way to a member, which takes 256
// connections.
//
// Every request that may change something, and every refusal, is a line in the log;
// metrics count requests, those under way, and bytes, by member.
package kubeproxy
