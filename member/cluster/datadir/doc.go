// Package datadir is the directory in which one embedded member keeps
// everything: its record, its keys, its kubeconfigs and etcd's files.
//
// Job: take the directory for this process alone, refuse one that belongs to
// another member or to a newer program, and write files so that a crash leaves
// the old one or the new one, never half of it.
//
// It knows nothing of what the files mean, except for the record. Directories
// are made with mode 0700, files with 0600.
package datadir
