package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Options is what the composition root gives to the command line. The zero value
// works.
type Options struct {
	// Version is Hansa's own, as "hansa version" prints it; "devel" when empty.
	Version string
	// Stdin, Stdout and Stderr default to those of the process.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Home is the directory of the context file; HomeDir when empty.
	Home string
	// Commands are added to those of this package. One with the name of a built-in
	// command replaces it; one with the name of a built-in group ("member") gives
	// its subcommands to that group.
	Commands []*cobra.Command
	// Restore prepares the data directory of a hub that does not run, by its
	// configuration file, to restore a backup; nil: this command cannot.
	Restore func(ctx context.Context, config, file string) error
	// Direct is the file of a kubeconfig that leads to a member of this machine past
	// the gateway; nil: there are none.
	Direct func(member string) (string, error)
}

func (o Options) complete() Options {
	if o.Version == "" {
		o.Version = "devel"
	}
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	return o
}

// Main runs one command line, without the program's name, and returns the exit
// code: 0, 1 or 2, or that of an error with a method ExitWith. It prints the error
// itself.
func Main(ctx context.Context, args []string, opts Options) int {
	a := &app{opts: opts.complete()}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var coded interface{ ExitWith() int }
	if errors.As(err, &coded) {
		return coded.ExitWith() // the command's own, which has said what there was to say
	}
	fmt.Fprintln(a.opts.Stderr, "hansa: "+oneLine(a.explain(ctx, err)))
	if isUsage(err) {
		return 2
	}
	return 1
}

// NewRoot returns the whole command tree, for documentation and tests.
func NewRoot(opts Options) *cobra.Command {
	return (&app{opts: opts.complete()}).root()
}

// app is what the commands of one run share.
type app struct {
	opts Options
	// The global flags.
	contextFile string
	override    Context
	// used is the context that was dialled; its Gateway is empty before.
	used Context
}

// The groups in which help lists the commands.
const (
	groupLook = "look"
	groupRun  = "run"
	groupHeal = "heal"
	groupHome = "home"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "hansa",
		Short: "Federate Kubernetes clusters: place workloads, fail over, answer where services are",
		Long: `Hansa federates Kubernetes clusters: it places workloads over regions, runs
failover and failover drills, and answers where a service is.

Begin with "hansa up" (a federation on this machine), then "hansa get members".`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.opts.Stdin)
	root.SetOut(a.opts.Stdout)
	root.SetErr(a.opts.Stderr)
	flags := root.PersistentFlags()
	flags.StringVar(&a.contextFile, "context-file", "", "file that names the gateway (default: config.yaml in $HANSA_HOME or ~/.hansa)")
	flags.StringVar(&a.override.Gateway, "gateway", "", "gateway to ask, HOST:PORT, or several with commas, instead of those in the context file")
	flags.StringVar(&a.override.CAFile, "ca-file", "", "PEM of the CA that signed the gateway's certificate")
	flags.StringVar(&a.override.TokenFile, "token-file", "", "file that holds the token to show to the gateway")
	root.AddGroup(
		&cobra.Group{ID: groupLook, Title: "Look:"},
		&cobra.Group{ID: groupRun, Title: "Run workloads:"},
		&cobra.Group{ID: groupHeal, Title: "Members and recovery:"},
		&cobra.Group{ID: groupHome, Title: "Federation on this machine, and the roles:"},
	)
	add(root, groupLook, a.getCommand(), a.describeCommand(), a.explainCommand(), a.resolveCommand(), a.simulateCommand(), a.readinessCommand(), a.statusCommand(), a.busCommand(), a.kubeconfigCommand(), a.kubectlCommand(), a.logsCommand(), a.topCommand())
	add(root, groupRun, a.applyCommand(), a.deleteCommand(), a.rebalanceCommand(), a.scoreCommand())
	add(root, groupHeal, a.cordonCommand(), a.uncordonCommand(), a.drainCommand(), a.leaveCommand(), a.taintCommand(), a.labelCommand(), a.memberCommand(), a.tokenCommand(), a.drillCommand(), a.operationCommand(), a.backupCommand(), a.restoreCommand())
	add(root, groupHeal, a.verbCommands()...)
	root.AddCommand(a.versionCommand())
	merge(root, a.opts.Commands)
	root.InitDefaultCompletionCmd()
	harden(root)
	return root
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
	}
	root.AddCommand(commands...)
}

// merge adds the commands of the composition root.
func merge(root *cobra.Command, extra []*cobra.Command) {
	for _, c := range extra {
		old := child(root, c.Name())
		switch {
		case old != nil && old.HasSubCommands() && c.HasSubCommands():
			merge(old, c.Commands())
			continue
		case old != nil:
			c.GroupID = old.GroupID
			root.RemoveCommand(old)
		case root.ContainsGroup(groupHome) && c.GroupID == "":
			c.GroupID = groupHome
		}
		if parent := c.Parent(); parent != nil {
			parent.RemoveCommand(c)
		}
		root.AddCommand(c)
	}
}

func child(parent *cobra.Command, name string) *cobra.Command {
	for _, c := range parent.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// oneLine is the text of an error without line breaks.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
