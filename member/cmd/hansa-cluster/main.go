// Command hansa-cluster runs one embedded member: a whole Kubernetes cluster
// and, when its configuration has an agent section, the agent that joins it to
// a hub. Kill the process and the whole member is gone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"k8s.io/component-base/version"

	"github.com/hansa-io/hansa/member/cluster/config"
)

// errUsage means that the command line, not the world, is wrong.
var errUsage = errors.New("usage")

func main() {
	err := execute(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "hansa-cluster:", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "hansa-cluster:", err)
		os.Exit(1)
	}
}

// execute does what the arguments ask for and returns when that is over.
func execute(arguments []string, stdout, stderr io.Writer) error {
	if len(arguments) == 1 && arguments[0] == "node" {
		return runNode(os.Stdin, stderr)
	}
	flags, err := parse(arguments, stderr)
	if err != nil {
		return err
	}
	if flags.version {
		_, err := fmt.Fprintln(stdout, "hansa-cluster", release, "Kubernetes", version.Get().GitVersion)
		return err
	}
	cfg, err := config.LoadWith(flags.config, flags.nodes)
	if err != nil {
		return err
	}
	if flags.check {
		return show(stdout, cfg)
	}
	saveMemory()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, cfg, newLoggers(stderr, flags.level))
}

// collectAt makes the garbage collector run when the heap has grown by this many
// percent. Against the usual 100 it saves a tenth of the memory of a cluster at
// no cost that can be measured.
const collectAt = 60

// saveMemory sets collectAt, unless the user set something else.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}

func show(stdout io.Writer, cfg config.Config) error {
	data, err := cfg.Redacted().Encode()
	if err != nil {
		return err
	}
	_, err = stdout.Write(data)
	return err
}

// loggers are the two streams that end up on stderr.
type loggers struct {
	own        *slog.Logger // Hansa's lines
	components *slog.Logger // those of etcd, Kubernetes and kwok
}

// newLoggers lets the components speak one level lower than Hansa: at info they
// report warnings, at debug what they call info.
func newLoggers(stderr io.Writer, level slog.Level) loggers {
	components := max(level+(slog.LevelWarn-slog.LevelInfo), slog.LevelInfo)
	return loggers{
		own:        slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
		components: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: components})),
	}
}
