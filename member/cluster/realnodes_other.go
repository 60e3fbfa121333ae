//go:build !linux

package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/datadir"
)

// realNodes are nodes that run containers, which only Linux can.
type realNodes struct{ nodes noNodes }

type noNodes struct{}

func (noNodes) Run(context.Context) error { return nil }
func (noNodes) Gateway() netip.Addr       { return netip.Addr{} }
func (noNodes) Close()                    {}

func newRealNodes(config.Config, *datadir.Dir, *slog.Logger) (*realNodes, error) {
	return nil, errors.New("containerd nodes need Linux: use nodes of the kind simulated")
}

func (*realNodes) listen(first net.Listener) (net.Listener, error) { return first, nil }
