// Package nats is the real bus: the adapter of package messaging's roles to NATS
// with JetStream, the embedded server, and the accounts that keep members apart.
// It is the only package that imports nats.go, nats-server, jwt and nkeys.
//
// A Server runs in operator mode. The account HUB owns every stream; hubs are users of
// it. Every member has an account of its own, without JetStream, that imports from HUB
// only what carries its own account key; the server itself puts that key into the subject
// (account token position), so a member can neither read nor forge another one's traffic.
//
// Gateways are users of the account GATEWAY, since a server delivers an answer to any
// subject that the asker names, with the rights of the account that answers. GATEWAY
// imports the requests to hubs, the part of JetStream that reads the buckets that
// gateways show, and the hub's beat; what a gateway writes, and the consumers that it
// follows with, any hub makes for it (ServeGateways). Within GATEWAY a user's rights keep
// it to an inbox and to tunnels of its own name. The key of GATEWAY is derived from the
// operator's and is in no file.
//
// An External bus is nats-servers that others run, with the same accounts: ServerConfig
// says what they need, and OpenExternal refuses what is too old. Their operator is ours,
// or names ours as a signing key.
//
// A bucket is a stream R_<bucket> that keeps one message for each subject. A
// record is read with a last-by-subject get, written with an expected last
// sequence for its subject, deleted with a marker, and followed with an ephemeral
// consumer that starts from the last message of each subject, or after a cursor.
// The works of a member are such a stream too, W_<account>; the member reads it
// through one durable pull consumer that the hub made, and acknowledges what it has
// on disk.
//
// A cursor holds while the stream has the same time of creation and was not cut
// back. That shows in its last sequence and, once it has grown again, in its
// metadata, where every start of a hub notes what it found. Only the stream's leader
// is asked where a stream ends, since another server may be behind.
//
// Tunnels are core messages between GATEWAY and a member's account, as package
// messaging/tunnel makes them. Their subjects carry the member's account, which the
// server puts in and compares, and the name of the gateway that dials, which is all that
// its rights permit: neither another member nor another gateway can hear or say anything
// in a tunnel. An agent takes the frames over a connection of their own.
//
// What happens when the bus is away: core messages fail with ErrDisconnected,
// requests and writes wait for their context and fail with ErrUnknown; followers
// reconnect for ever and go on where they stopped. While no hub runs, nothing that a
// gateway asks for is written, and a gateway that loses its consumers follows again when
// a hub is back; while no hub leads, both work.
package nats
