package configs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// Join is "hansa join": the agent of a cluster from flags, without a file. home says
// where the user's own directory is.
func Join(home func() (string, error), run func(context.Context, Agent) error) *cobra.Command {
	var a Agent
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "join --member NAME --region REGION --kubeconfig FILE {--token T | --token-stdin}",
		Short: "Run the agent of a cluster that Hansa did not start, here and from flags",
		Long: "Join makes a cluster a member and runs its agent until it is stopped. The token is needed\n" +
			"once; the same command without it goes on later. \"hansa agent --config FILE\" is the same\n" +
			"for services, and configs/agent runs it in the cluster itself.",
		Example: "  hansa token create --member osaka | hansa join --member osaka --region ap-northeast --kubeconfig osaka.kubeconfig --token-stdin",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if fromStdin {
				token, err := lastLine(cmd)
				if err != nil {
					return err
				}
				a.JoinToken = token
			}
			if err := a.complete(home); err != nil {
				return err
			}
			return run(cmd.Context(), a)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&a.Name, "member", "", "name under which the cluster joins")
	flags.StringVar(&a.Kubeconfig, "kubeconfig", "", "file by which the agent reaches the cluster")
	flags.StringVar(&a.Context, "context", "", "context of the kubeconfig (default: its current one)")
	flags.StringVar(&a.JoinToken, "token", "", "line that \"hansa token create\" printed; other users of this machine may see it, --token-stdin hides it")
	flags.BoolVar(&fromStdin, "token-stdin", false, "read the token from standard input")
	flags.StringVar(&a.Place.Region, "region", "", "region of the cluster, for example eu-central")
	flags.StringVar(&a.Place.Zone, "zone", "", "zone of the cluster")
	flags.StringToStringVar(&a.Labels, "label", nil, "label for placement, KEY=VALUE; may be repeated")
	flags.BoolVar(&a.NoProbe, "no-probe", false, "the API server cannot be reached from the hub")
	flags.StringVar(&a.Admission.Listen, "admission-listen", "", "host:port where the API server asks about pods that run at most once (default: it does not ask)")
	flags.StringVar(&a.Admission.URL, "admission-url", "", "https://host:port where it reaches that (default: --admission-listen)")
	flags.StringVar(&a.Peer.Listen, "peer-listen", "", "host:port where hubs and other agents ask this one beside the bus (default: nowhere)")
	flags.StringVar(&a.Peer.Address, "peer-address", "", "host:port where they reach it (default: --peer-listen)")
	flags.StringVar(&a.StateDir, "state-dir", "", "where the agent keeps its keys (default: agents/NAME in $HANSA_HOME or ~/.hansa)")
	cmd.MarkFlagsMutuallyExclusive("token", "token-stdin")
	for _, name := range []string{"member", "region", "kubeconfig"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag was defined above
		}
	}
	return cmd
}

// complete checks what the flags said, and fills in the state directory.
func (a *Agent) complete(home func() (string, error)) error {
	if strings.ContainsAny(a.Name, `/\.`) {
		return fmt.Errorf("--member %q: want lower-case letters, digits and \"-\"", a.Name)
	}
	if a.Kubeconfig == "" {
		return errors.New("--kubeconfig must name a file")
	}
	if a.StateDir == "" {
		dir, err := home()
		if err != nil {
			return err
		}
		a.StateDir = filepath.Join(dir, "agents", a.Name)
	}
	return a.validate()
}

// lastLine reads the token, which comes after what people are told.
func lastLine(cmd *cobra.Command) (string, error) {
	lines := bufio.NewScanner(cmd.InOrStdin())
	last := ""
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			last = line
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if last == "" {
		return "", errors.New("--token-stdin: standard input has no token: pipe the output of \"hansa token create\" into this command")
	}
	return last, nil
}
