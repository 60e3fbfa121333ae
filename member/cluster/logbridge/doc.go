// Package logbridge brings the logs of the components of a cluster into one
// slog handler: those of etcd (zap), of Kubernetes (klog) and of kwok and the
// standard library (the default slog logger).
//
// Job: one stream, with levels that mean the same everywhere, and silence while
// a cluster starts or stops, when components complain about each other.
package logbridge
