package nats

import "github.com/nats-io/nats.go/jetstream"

// JetStream is what tests of the package's users look at streams with.
func JetStream(c *Conn) jetstream.JetStream { return c.js }

// Server is the URL of the server that the connection has.
func (c *Conn) Server() string { return c.nc.ConnectedUrl() }
