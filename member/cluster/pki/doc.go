// Package pki makes the certificates of one embedded member: its own
// certificate authority, and what that signs.
//
// Job: create an authority once, load it ever after, and issue server and
// client certificates. Keys are ECDSA P-256.
//
// It reads no clock and touches no file: time comes in as an argument and
// everything goes out as PEM.
package pki
