package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/hansa-io/hansa/member/cluster/logbridge"
)

// Run runs the node that the configuration on in describes, until ctx ends or a
// component does. It may be called once in a process, and only in the namespaces
// of a node.
func Run(ctx context.Context, in io.Reader, log *slog.Logger) error {
	c, err := readConfig(in)
	if err != nil {
		return err
	}
	if err := logbridge.Capture(log); err != nil {
		return err
	}
	if err := c.Network.EnterGroup(c.Name); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(c.Name)); err != nil {
		return fmt.Errorf("set name of the host: %w", err)
	}
	if err := mount(c); err != nil {
		return err
	}
	if err := connect(c); err != nil {
		return err
	}
	return runComponents(ctx, c)
}

// runComponents ends when the first of them does; the kernel takes care of the
// others.
func runComponents(ctx context.Context, c Config) error {
	parts, ctx := errgroup.WithContext(ctx)
	runtime, err := startContainerd(ctx, c)
	if err != nil {
		return err
	}
	parts.Go(func() error { return ended("containerd", runtime.command.Wait()) })
	parts.Go(func() error { return ended("kube-proxy", runProxy(ctx, c)) })
	parts.Go(func() error { return ended("DNS server", runDNS(ctx, c)) })
	parts.Go(func() error { return ended("kubelet", runKubelet(ctx, c)) })
	<-ctx.Done()
	return context.Cause(ctx)
}

func ended(part string, err error) error {
	return fmt.Errorf("%s ended: %w", part, err)
}
