// Command hansa-agent is "hansa agent" and nothing else: the agent of a cluster that Hansa
// did not start, without hub, gateway and command line, which would be a third of what it
// holds in memory.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/messaging/agentbus"
)

// release is the version, set by the linker.
var release = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx))
}

// execute returns the exit code: 2 where the command line, not the world, is wrong.
func execute(ctx context.Context) int {
	cmd := configs.Role("hansa-agent", "Run the agent of a cluster that Hansa did not start", configs.LoadAgent, agentbus.Role(release))
	cmd.Version, cmd.SilenceErrors, cmd.SilenceUsage = release, true, true
	began, run := false, cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		began = true
		return run(cmd, args)
	}
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "hansa-agent:", err)
	if began {
		return 1
	}
	return 2
}
