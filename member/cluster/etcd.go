package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/hansa-io/hansa/member/cluster/datadir"
)

const (
	socketName = "etcd.sock"
	// maxSocketPath is what every system allows for the path of a socket file.
	maxSocketPath = 100
	// neverDialled stands where etcd wants the address of its peers, of which
	// this one has none. It is stored in etcd's files and must stay the same.
	neverDialled = "http://localhost:2380"
)

// etcdServer is a running etcd that only this user can reach.
type etcdServer struct {
	etcd *embed.Etcd
	// endpoint for clients, a unix URL.
	endpoint string
	// temporary directory of the socket, "" when it is in the data directory.
	temporary string
}

// startEtcd starts etcd on the data directory and returns when it answers. It
// syncs every write to disk.
func startEtcd(ctx context.Context, dir *datadir.Dir, log *slog.Logger) (*etcdServer, error) {
	socket, temporary, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	cfg := embed.NewConfig()
	cfg.Name = "hansa"
	cfg.Dir = dir.Path("etcd")
	endpoint := url.URL{Scheme: "unix", Path: socket}
	peer, err := url.Parse(neverDialled)
	if err != nil {
		return nil, fmt.Errorf("parse peer address: %w", err)
	}
	cfg.ListenClientUrls = []url.URL{endpoint}
	cfg.AdvertiseClientUrls = []url.URL{endpoint}
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{*peer}
	cfg.InitialCluster = cfg.Name + "=" + neverDialled
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newZapLogger(log.With("part", "etcd")))
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	server := &etcdServer{etcd: etcd, endpoint: endpoint.String(), temporary: temporary}
	select {
	case <-etcd.Server.ReadyNotify():
		return server, nil
	case err := <-etcd.Err():
		server.close()
		return nil, fmt.Errorf("start etcd: %w", err)
	case <-ctx.Done():
		server.close()
		return nil, context.Cause(ctx)
	}
}

// run waits until ctx ends, or etcd does by itself, and closes it.
func (s *etcdServer) run(ctx context.Context) error {
	defer s.close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.etcd.Err():
		return err
	case <-s.etcd.Server.StopNotify():
		return nil
	}
}

func (s *etcdServer) close() {
	s.etcd.Close()
	if s.temporary != "" {
		_ = os.RemoveAll(s.temporary)
	}
}

// socketPath chooses where etcd listens: in the data directory, or in a
// temporary directory when that path is too long for a socket. A socket that a
// killed process left is removed.
func socketPath(dir *datadir.Dir) (path, temporary string, err error) {
	if len(dir.Path("run", socketName)) > maxSocketPath {
		temporary, err = os.MkdirTemp("", "hansa-etcd-")
		if err != nil {
			return "", "", fmt.Errorf("make directory for socket: %w", err)
		}
		return filepath.Join(temporary, socketName), temporary, nil
	}
	private, err := dir.Private("run")
	if err != nil {
		return "", "", err
	}
	path = filepath.Join(private, socketName)
	if err := os.RemoveAll(path); err != nil {
		return "", "", fmt.Errorf("remove old socket: %w", err)
	}
	return path, "", nil
}
