// Package e2e tests the built binaries against real clusters, as a user meets
// them: processes, files, signals and the Kubernetes API.
//
// It links neither Kubernetes nor Hansa's shells. The binaries come from the
// environment (HANSA_CLUSTER_BIN) or are built once for each run.
package e2e
