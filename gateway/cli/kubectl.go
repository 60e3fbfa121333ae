package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (a *app) kubectlCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl MEMBER -- ARGS",
		Short: "Run kubectl against a member, through the gateway",
		Long: `Run kubectl against a member, through the gateway, with a kubeconfig that is gone
afterwards; "hansa kubeconfig" makes one that stays.`,
		Example:           "  hansa kubectl tokyo -- get pods -A",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.completeMembers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := a.kubeconfigOf(cmd, args[0], false)
			if err != nil {
				return err
			}
			return runKubectl(cmd, text, args[1:])
		},
	}
}

// kubectlEnded is kubectl's own failure, which it has explained.
type kubectlEnded struct{ *exec.ExitError }

// ExitWith is kubectl's exit code.
func (e kubectlEnded) ExitWith() int { return e.ExitCode() }

// runKubectl runs it with the kubeconfig. An interrupt reaches kubectl by itself, and is
// its business.
func runKubectl(cmd *cobra.Command, kubeconfig []byte, args []string) error {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		return errors.New("kubectl is not on the PATH: install it, or build it with \"make tools\"")
	}
	dir, err := os.MkdirTemp("", "hansa-kubectl-")
	if err != nil {
		return fmt.Errorf("write a kubeconfig: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return fmt.Errorf("write a kubeconfig: %w", err)
	}
	child := exec.Command(kubectl, args...)
	child.Env = append(os.Environ(), "KUBECONFIG="+file)
	child.Stdin, child.Stdout, child.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	err = child.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return kubectlEnded{exit}
	}
	return err
}
