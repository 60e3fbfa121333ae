// Package kube is the only package that talks to an API server: it opens a
// kubeconfig, reads and writes single objects for package landing, and keeps the
// picture of the cluster from which package observe makes reports.
//
// A Client is safe for concurrent use. Its Watch keeps caches by informers, which
// list once and then follow; what is kept of a pod is its node, its requests and its
// troubles, and of what Hansa made its text.
// Nothing here decides anything: which object may be written or deleted is the
// business of package landing.
//
// While the API server is away, reads and writes return its error, caches keep
// their last content, and informers reconnect by themselves with backoff.
package kube
