// Package datadir is the directory in which one process keeps everything: an
// embedded member its record, its keys, its kubeconfigs and etcd's files, a hub
// the keys and streams of its bus.
//
// Job: take the directory for this process alone, refuse one that belongs to
// another owner or to a newer program, and write files so that a crash leaves
// the old one or the new one, never half of it.
//
// It knows nothing of what the files mean, except for the record and the format. Directories
// are made with mode 0700, files with 0600.
package datadir
