// Package natstest starts NATS servers from configuration files, for tests: in the
// process, of the version that Hansa links, or as processes of another one.
package natstest
