package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// socketName is the socket on which a member's nodes are told what to do, in a
// directory that only their user can enter.
const socketName = "nodes.sock"

// Listen opens the socket in dir. One that a dead process left is replaced: the
// caller holds the data directory alone.
func Listen(dir string) (net.Listener, error) {
	anchor, path, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer anchor.Close()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket of the nodes: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open socket of the nodes: %w", err)
	}
	// Its path is only good while anchor is open; dir is removed as a whole.
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	return listener, nil
}

// Dial connects to the socket in dir.
func Dial(ctx context.Context, dir string) (net.Conn, error) {
	anchor, path, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer anchor.Close()
	var dialer net.Dialer
	return dialer.DialContext(ctx, "unix", path)
}

// socketPath is a short path to the socket, as the kernel takes only some hundred
// characters. It is good while the anchor is open.
func socketPath(dir string) (*os.File, string, error) {
	anchor, err := os.Open(dir)
	if err != nil {
		return nil, "", fmt.Errorf("open directory of the socket: %w", err)
	}
	return anchor, filepath.Join(fmt.Sprintf("/proc/self/fd/%d", anchor.Fd()), socketName), nil
}
