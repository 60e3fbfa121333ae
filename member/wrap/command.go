package wrap

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/member/admit"
)

// Exited is the exit code of a command that Run ran.
type Exited struct{ Code int }

// Error names the code.
func (e *Exited) Error() string { return fmt.Sprintf("the command ended with exit code %d", e.Code) }

// ExitWith is the code that the process should end with.
func (e *Exited) ExitWith() int { return e.Code }

// Command is "hansa guard", for the pods of workloads that run at most once.
func Command() *cobra.Command {
	group := &cobra.Command{
		Use:   "guard",
		Short: "Inside a pod: run a command only while its workload may run here",
		Long: `Keep a command in a pod from running without a lease, also when the member's control
plane is dead and nobody can delete the pod. The pod template needs the annotation
hansa.io/guard: "true", and the agent an admission address that pods can reach.`,
	}
	install := &cobra.Command{
		Use: "install DIRECTORY", Short: "Copy this program, for containers that do not have it", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return installIn(args[0]) },
	}
	check := &cobra.Command{
		Use: "check", Short: "Wait until the workload may run; for an init container", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asker, err := fromEnvironment()
			if err == nil {
				_, err = Await(cmd.Context(), asker, logger())
			}
			return err
		},
	}
	group.AddCommand(install, check, runCommand())
	return group
}

func runCommand() *cobra.Command {
	var grace time.Duration
	cmd := &cobra.Command{
		Use: "run [--grace TIME] -- COMMAND [ARGUMENT...]", Short: "Run a command as long as the lease holds; the entrypoint of a container", Args: cobra.MinimumNArgs(1),
		Long: fmt.Sprintf(`Wait for the lease, run the command as long as it holds, and end with its exit code, or
with %d when the lease has ended and the command was stopped: SIGTERM, then after the
grace SIGKILL, with everything that it started. Other signals go on to the command.`, LeaseEnded),
		RunE: func(cmd *cobra.Command, args []string) error {
			if grace <= 0 || grace > 5*time.Second {
				return fmt.Errorf("--grace %s: want more than 0 and at most 5s, which is what a lease leaves for it", grace)
			}
			asker, err := fromEnvironment()
			if err != nil {
				return err
			}
			code, err := Run(cmd.Context(), Options{Asker: asker, Command: args, Grace: grace, Log: logger()})
			if err == nil && code != 0 {
				err = &Exited{Code: code}
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&grace, "grace", DefaultGrace, "between SIGTERM and SIGKILL")
	return cmd
}

func logger() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

func fromEnvironment() (*Asker, error) {
	return NewAsker(os.Getenv(admit.GuardURL), []byte(os.Getenv(admit.GuardCA)))
}

// installIn copies this program as DIRECTORY/hansa.
func installIn(dir string) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(self)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "hansa"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	_, err = io.Copy(to, from)
	return err
}
