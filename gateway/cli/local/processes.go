package local

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// memberCommand is the group "member"; the command line merges it with its own.
func memberCommand() *cobra.Command {
	return processGroup(processes{
		kind: "member", group: "Act on a member", find: Home.FindMember,
		stop: "Stop a member in order: its agent says goodbye",
		kill: "Kill a member's process (SIGKILL), as if the whole cluster had lost power",
		start: func(h Home, name string) error {
			_, cluster, err := binaries()
			if err != nil {
				return err
			}
			return StartMember(h, name, cluster)
		},
	})
}

// hubCommand is the group "hub", which is a role as well; the command line merges them.
func hubCommand() *cobra.Command {
	return processGroup(processes{
		kind: "hub", group: "Act on a hub", find: Home.FindHub,
		stop: "Stop a hub in order: it gives what it leads, and its clients, to the others",
		kill: "Kill a hub's process (SIGKILL): bus, hub and gateway",
		start: func(h Home, name string) error {
			hansa, _, err := binaries()
			if err != nil {
				return err
			}
			return StartHub(h, name, hansa)
		},
	})
}

// processes says how the processes of one kind are found, and what its verbs mean.
type processes struct {
	kind, group string
	stop, kill  string // what these do
	find        func(Home, string) (Process, error)
	start       func(Home, string) error
}

// processGroup makes the verbs start, stop, kill, pause and resume.
func processGroup(p processes) *cobra.Command {
	group := &cobra.Command{Use: p.kind, Short: p.group}
	group.AddCommand(&cobra.Command{
		Use:   "start NAME",
		Short: fmt.Sprintf("Start the process of a %s of \"hansa up\" that has ended", p.kind),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			home, err := DefaultHome()
			if err != nil {
				return err
			}
			if err := p.start(home, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s started\n", p.kind, args[0])
			return nil
		},
	})
	for _, s := range []struct {
		use, short, done string
		act              func(context.Context, Process) error
	}{
		{"stop", p.stop, "stopped", stopped},
		{"kill", p.kill, "killed", signalled(syscall.SIGKILL)},
		{"pause", fmt.Sprintf("Freeze a %s's process (SIGSTOP)", p.kind), "paused", signalled(syscall.SIGSTOP)},
		{"resume", fmt.Sprintf("Let a paused %s go on (SIGCONT)", p.kind), "resumed", signalled(syscall.SIGCONT)},
	} {
		group.AddCommand(&cobra.Command{
			Use:   s.use + " NAME",
			Short: s.short,
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				home, err := DefaultHome()
				if err != nil {
					return err
				}
				process, err := p.find(home, args[0])
				if err != nil {
					return err
				}
				if err := s.act(cmd.Context(), process); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s\n", p.kind, args[0], s.done)
				return nil
			},
		})
	}
	slices.SortFunc(group.Commands(), func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	return group
}

func stopped(ctx context.Context, p Process) error {
	if !p.alive() {
		return fmt.Errorf("%s is not running", p.Name)
	}
	return p.Stop(ctx, 15*time.Second)
}

func signalled(sig syscall.Signal) func(context.Context, Process) error {
	return func(_ context.Context, p Process) error { return p.Signal(sig) }
}
