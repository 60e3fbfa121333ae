package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/hansa-io/hansa/member/cluster/datadir"
	"github.com/hansa-io/hansa/member/cluster/logbridge"
)

const (
	socketName = "etcd.sock"
	// maxSocketPath is what every system allows for the path of a socket file.
	maxSocketPath = 100
	// neverDialled stands where etcd wants the address of its peers, of which
	// this one has none. It is stored in etcd's files and must stay the same.
	neverDialled = "localhost:2380"
)

// etcdServer is a running etcd that only this user can reach.
type etcdServer struct {
	etcd *embed.Etcd
	// endpoint for clients, a unix URL.
	endpoint string
	// anchor keeps the directory of the socket open.
	anchor *os.File
}

// startEtcd starts etcd on the data directory and returns when it answers. It
// syncs every write to disk.
func startEtcd(ctx context.Context, dir *datadir.Dir, log *slog.Logger) (*etcdServer, error) {
	private, err := dir.Private("run")
	if err != nil {
		return nil, err
	}
	anchor, err := os.Open(private)
	if err != nil {
		return nil, fmt.Errorf("open directory of the socket: %w", err)
	}
	socket, err := socketPath(anchor)
	if err != nil {
		return nil, err
	}
	cfg := etcdConfig(dir.Path("etcd"), url.URL{Scheme: "unix", Path: socket})
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logbridge.NewZap(log.With("part", "etcd")))
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return &etcdServer{etcd: etcd, endpoint: cfg.ListenClientUrls[0].String(), anchor: anchor}, nil
	case err := <-etcd.Err():
		return nil, fmt.Errorf("start etcd: %w", err)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// etcdConfig describes an etcd without peers that clients reach at endpoint.
func etcdConfig(dir string, endpoint url.URL) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name = "hansa"
	cfg.Dir = dir
	cfg.ListenClientUrls = []url.URL{endpoint}
	cfg.AdvertiseClientUrls = []url.URL{endpoint}
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: neverDialled}}
	cfg.InitialCluster = cfg.Name + "=http://" + neverDialled
	return cfg
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
	s.anchor.Close()
}

// socketPath chooses where etcd listens in the open directory. Where the path
// is too long for a socket, Linux offers a short one through the descriptor. A
// socket that a killed process left is removed.
func socketPath(directory *os.File) (string, error) {
	path := filepath.Join(directory.Name(), socketName)
	if err := os.RemoveAll(path); err != nil {
		return "", fmt.Errorf("remove old socket: %w", err)
	}
	switch {
	case len(path) <= maxSocketPath:
		return path, nil
	case runtime.GOOS == "linux":
		return fmt.Sprintf("/proc/self/fd/%d/%s", directory.Fd(), socketName), nil
	default:
		return "", fmt.Errorf("path %s is longer than the %d bytes that a socket may have: choose a shorter dataDir", path, maxSocketPath)
	}
}
