// Package config holds the configuration file of hansa-cluster: one embedded
// member with its control plane, its nodes and, when wanted, its agent.
//
// Job: decode one YAML file strictly, fill in defaults, and refuse what cannot
// work with one line that names the field, its line and what to do.
//
// It links neither Kubernetes nor etcd, so that the lean `hansa` binary can
// import it and write these files. It starts nothing and opens no port.
package config
