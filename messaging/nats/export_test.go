package nats

import "github.com/nats-io/nats.go/jetstream"

// JetStream is what tests of the package's users look at streams with.
func JetStream(c *Conn) jetstream.JetStream { return c.js }
