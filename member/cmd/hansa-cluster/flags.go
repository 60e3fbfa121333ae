package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
)

// release is the version of Hansa, set at link time.
var release = "devel"

const usage = `Usage: hansa-cluster --config FILE [flags]

Runs one embedded member: etcd, the Kubernetes control plane and its nodes in
this process, and the agent when the file has an agent section.

  --config FILE      configuration of the member (required)
  --nodes KIND       simulated or containerd, instead of nodes.kind of the file;
                     with numbers, or both: containerd=2,simulated=100
  --check            print the effective configuration and stop
  --log-level LEVEL  debug, info, warn or error (default info)
  --version          print the version and stop

Exit codes: 0 done, 1 failed, 2 wrong usage.
`

// options are the parsed command line.
type options struct {
	config  string
	nodes   string
	check   bool
	version bool
	level   slog.Level
}

// parse reads the command line. The error is flag.ErrHelp when help was asked
// for and printed, and wraps errUsage when the command line is wrong.
func parse(arguments []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("hansa-cluster", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&opts.config, "config", "", "")
	flags.StringVar(&opts.nodes, "nodes", "", "")
	flags.BoolVar(&opts.check, "check", false, "")
	flags.BoolVar(&opts.version, "version", false, "")
	flags.TextVar(&opts.level, "log-level", slog.LevelInfo, "")
	err := flags.Parse(arguments)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		return opts, err
	case err != nil:
		return opts, fmt.Errorf("%w: %w (see hansa-cluster --help)", errUsage, err)
	case flags.NArg() > 0:
		return opts, fmt.Errorf("%w: unexpected argument %q (see hansa-cluster --help)", errUsage, flags.Arg(0))
	case opts.config == "" && !opts.version:
		return opts, fmt.Errorf("%w: --config FILE is missing (see hansa-cluster --help)", errUsage)
	}
	return opts, nil
}
