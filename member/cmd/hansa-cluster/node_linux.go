package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/hansa-io/hansa/member/cluster/node"
)

// runNode runs one containerd node; package containerd starts it so.
func runNode(stdin io.Reader, stderr io.Writer) error {
	saveMemory()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return node.Run(ctx, stdin, newLoggers(stderr, slog.LevelInfo).components)
}
