// Package reach is the member's end of "the member's API through the gateway": it
// serves HTTP on the tunnels that gateways open, and passes every request on to the
// cluster's own API server as the person who asked.
//
// Who asked is said by the gateway in the headers Impersonate-User, -Group and
// -Extra-*, as Kubernetes has them; nobody else can open a tunnel. The member does not
// take the gateway's word for everything: a request is passed on only if its user
// begins with "hansa:", and its one group is that of a role of gateways. So no request
// ever has the rights of the agent itself, of a system user or of system:masters, and
// the cluster's RBAC decides what the group may do. Whether the agent may impersonate
// anybody at all is decided by RBAC, too; configs/reach has the rules.
//
// Bytes are passed on as they come: upgrades (exec, attach, port-forward) by SPDY and
// WebSocket, watches without delay. When the API server or the tunnel breaks in the
// middle of an answer, the connection is broken, too, so that a cut never looks like
// an end. Each direction of an upgraded connection ends by itself, after all of its
// bytes. A client's ping that would reach an API server that has closed already, with
// bytes still on their way, is answered here: there it would take them away.
//
// Bounds: 256 connections and 64 KiB of headers for each request; beyond that
// connections wait or are refused, and nothing is buffered but 32 KiB a direction.
package reach
