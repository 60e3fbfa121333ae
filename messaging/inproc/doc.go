// Package inproc is the bus within one process, without a server: the twin of
// package messaging/nats for tests of shells. It passes the same suite, package
// messaging/messagingtest.
//
// Nothing is lost, doubled or reordered on it, subscribers hear in the order of
// publishing, and a write is over when it returns, so a test of what happens when
// all is well needs no server, and one of what happens when not sets Fail.
//
// It keeps everything in memory and knows no accounts: every caller sees every
// subject. A Bus is safe for concurrent use.
package inproc
