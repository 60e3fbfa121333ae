package nats

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Layouts of a server's store.
const (
	layoutFile = "layout"
	alone      = "alone"   // of one server
	clustered  = "cluster" // of one server of several
)

// claimStore refuses a store of the other layout: a server of a cluster deletes the
// streams that a lonely one wrote, and one alone of a cluster never has a quorum.
func (o ServerOptions) claimStore() error {
	wanted := alone
	if o.Cluster != nil {
		wanted = clustered
	}
	path := filepath.Join(o.Dir, layoutFile)
	found, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(o.streams()); err == nil && wanted == clustered {
			return o.otherLayout(alone)
		}
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return fmt.Errorf("start bus: %w", err)
		}
		return writeSynced(path, []byte(wanted+"\n"))
	}
	if err != nil {
		return fmt.Errorf("start bus: %w", err)
	}
	if layout := strings.TrimSpace(string(found)); layout != wanted {
		return o.otherLayout(layout)
	}
	return nil
}

func (o ServerOptions) otherLayout(found string) error {
	what := map[string]string{alone: "one hub alone", clustered: "a cluster of hubs"}
	now := alone
	if o.Cluster != nil {
		now = clustered
	}
	if what[found] == "" {
		return fmt.Errorf("start bus: %s says %q, which is no layout of a store", filepath.Join(o.Dir, layoutFile), found)
	}
	return fmt.Errorf("start bus: %s holds the store of %s, and is to be used by %s, which would lose it: back it up with \"hansa backup\", start with an empty directory, and restore (configs/README.md)",
		o.Dir, what[found], what[now])
}
