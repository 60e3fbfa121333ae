package cluster

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/containerd"
	"github.com/hansa-io/hansa/member/cluster/datadir"
	"github.com/hansa-io/hansa/member/cluster/node"
	"github.com/hansa-io/hansa/member/cluster/pki"
)

// realNodes are nodes that run containers.
type realNodes struct {
	config config.Config
	dir    *datadir.Dir
	nodes  *containerd.Nodes
	server string // URL by which nodes reach the API server, once it listens
}

func newRealNodes(cfg config.Config, dir *datadir.Dir, log *slog.Logger) (*realNodes, error) {
	r := &realNodes{config: cfg, dir: dir}
	socket, err := dir.Private("run")
	if err != nil {
		return nil, err
	}
	r.nodes, err = containerd.New(containerd.Options{
		Config: cfg, Dir: dir.Path("nodes"), Socket: socket, Files: r.files, Logger: log,
	})
	return r, err
}

// listen takes the port of first at the gateway, too.
func (r *realNodes) listen(first net.Listener) (net.Listener, error) {
	port := first.Addr().(*net.TCPAddr).Port
	at := netip.AddrPortFrom(r.nodes.Gateway(), uint16(port)).String()
	second, err := net.Listen("tcp4", at)
	if err != nil {
		first.Close()
		return nil, fmt.Errorf("open %s, where nodes reach the API server: %w", at, err)
	}
	r.server = "https://" + at
	return join(first, second), nil
}

// files are the credentials of one node and of what runs in it.
func (r *realNodes) files(name string, address netip.Addr) (map[string][]byte, error) {
	authority, err := openAuthority(r.dir, r.config.Name, caFiles)
	if err != nil {
		return nil, err
	}
	serving, err := authority.Issue(pki.Request{
		CommonName: "system:node:" + name, Organizations: []string{"system:nodes"},
		DNSNames: []string{name}, IPs: []net.IP{address.AsSlice()},
	})
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{
		node.FileCA: authority.Pair().Certificate, node.FileServingCert: serving.Certificate, node.FileServingKey: serving.Key,
	}
	to := endpoint{member: r.config.Name, server: r.server}
	for _, id := range []identity{
		{node.FileKubelet, "system:node:" + name, []string{"system:nodes"}},
		{node.FileProxy, "system:kube-proxy", nil},
		{node.FileDNS, userDNS, nil},
	} {
		if out[id.file], err = newKubeconfig(authority, id, to); err != nil {
			return nil, err
		}
	}
	return out, nil
}
