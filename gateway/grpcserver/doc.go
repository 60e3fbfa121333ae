// Package grpcserver answers hansa.gateway.v1 over gRPC, with reflection and the
// standard health service. Queries are answered from the table that the gateway
// holds; desired state is handed to the gateway; what must be decided is asked
// of the hub over the bus.
//
// Who calls is told by a bearer token. Roles: viewer may read, operator may also
// change desired state and run operations, admin may also admit members. Join
// needs no identity but its own one-time token.
//
// The same Server is called in the process by package httpserver for HTTP/JSON.
package grpcserver
