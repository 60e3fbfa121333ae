package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/gateway/cli"
	"github.com/hansa-io/hansa/member/cluster/config"
)

// Commands returns "up", "down", "node", "image" and the subcommands of "member" and
// "hub" that act on the processes of a local federation.
func Commands() []*cobra.Command {
	return []*cobra.Command{upCommand(), downCommand(), memberCommand(), hubCommand(), nodeCommand(), imageCommand()}
}

type upFlags struct {
	file      string
	hubs      int
	members   int
	nodes     string
	nodeCount int
	ports     string
	detach    bool
	noSample  bool
	timeout   time.Duration
}

func upCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a federation on this machine: bus, hub, gateway and members",
		Long: `Start a federation on this machine: one process with bus, hub and gateway, and
one process for each member, a whole Kubernetes cluster, whose nodes are simulated
unless --nodes containerd is given.
Then apply the sample shop and wait until it is ready. May be repeated.`,
		Example: "  hansa up --members 2 --ports auto",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return up(cmd, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "what to start (default: configs/local.yaml, built in)")
	flags.IntVar(&f.hubs, "hubs", 0, "how many hubs: 1, or 3 that make one bus (default: as in the file)")
	flags.IntVar(&f.members, "members", 0, "how many members (default: those of the file)")
	flags.StringVar(&f.nodes, "nodes", "", "kind of nodes: simulated, or containerd, which run containers and need Linux and root; or how many of each: containerd=2,simulated=100")
	flags.IntVar(&f.nodeCount, "node-count", 0, "nodes of each member (default: as in the file)")
	flags.StringVar(&f.ports, "ports", "fixed", "fixed: those of the file; auto: free ones, so that several federations run side by side")
	flags.BoolVar(&f.detach, "detach", false, "return once the processes are started, without waiting for members and sample")
	flags.BoolVar(&f.noSample, "no-sample", false, "do not apply the sample")
	flags.DurationVar(&f.timeout, "timeout", 3*time.Minute, "give up after")
	return cmd
}

func up(cmd *cobra.Command, f upFlags) error {
	o, err := f.options(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	begin := time.Now()
	spec, err := Up(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "up after %.1f s\n%s", time.Since(begin).Seconds(), advice(spec, o))
	return nil
}

// options checks the flags and finds the binaries.
func (f upFlags) options(cmd *cobra.Command) (UpOptions, error) {
	switch {
	case f.ports != "fixed" && f.ports != "auto":
		return UpOptions{}, cli.Usagef("--ports %q: want fixed or auto", f.ports)
	case f.hubs != 0 && f.hubs != 1 && f.hubs != 3:
		return UpOptions{}, cli.Usagef("--hubs %d: want 1 or 3", f.hubs)
	case f.members < 0 || f.members > 50:
		return UpOptions{}, cli.Usagef("--members %d: want 1 to 50", f.members)
	}
	ask, err := config.ParseAsk(f.nodes)
	switch {
	case err != nil:
		return UpOptions{}, cli.Usagef("--nodes %v", err)
	case ask.Counted() && f.nodeCount != 0:
		return UpOptions{}, cli.Usagef("--nodes %q says how many: leave --node-count out", f.nodes)
	}
	home, err := DefaultHome()
	if err != nil {
		return UpOptions{}, err
	}
	spec, err := LoadSpec(f.file)
	if err != nil {
		return UpOptions{}, err
	}
	if f.hubs != 0 {
		spec.Hubs = f.hubs
	}
	if f.members > 0 {
		spec = spec.Resize(f.members)
	}
	spec = spec.WithNodes(ask, f.nodeCount)
	hansa, cluster, err := binaries()
	if err != nil {
		return UpOptions{}, err
	}
	o := UpOptions{
		Home: home, Spec: spec, AutoPorts: f.ports == "auto", Detach: f.detach, Hansa: hansa, HansaCluster: cluster,
		Progress: func(step string) { fmt.Fprintln(cmd.ErrOrStderr(), step) },
	}
	if !f.noSample && !f.detach {
		o.Sample, err = sample()
		o.SampleSource = sampleSource
	}
	return o, err
}

// binaries returns this binary and hansa-cluster, beside it or on the PATH.
func binaries() (hansa, cluster string, err error) {
	hansa, err = os.Executable()
	if err != nil {
		return "", "", fmt.Errorf("find this binary: %w", err)
	}
	cluster = filepath.Join(filepath.Dir(hansa), "hansa-cluster")
	if _, err := os.Stat(cluster); err == nil {
		return hansa, cluster, nil
	}
	cluster, err = exec.LookPath("hansa-cluster")
	if err != nil {
		return "", "", fmt.Errorf("hansa-cluster is neither beside %s nor on the PATH: build it with \"make build\"", hansa)
	}
	return hansa, cluster, nil
}

// advice says what to try next.
func advice(spec Spec, o UpOptions) string {
	first, last := spec.Members[0], spec.Members[len(spec.Members)-1]
	lines := []string{
		"", "try:",
		"  hansa get members",
		"  hansa get workloads",
		"  hansa explain shop/web",
		"  hansa resolve shop/web --from osaka",
		"  hansa simulate --lose region=" + last.Region,
		"  hansa kubectl " + first.Name + " -- get pods -A",
		"  hansa drill run region=" + last.Region + " --level L5b --yes",
		"  hansa member kill " + last.Name + "; hansa get workloads -w",
		"  hansa down",
	}
	if o.Detach {
		lines = append(lines[:3], lines[len(lines)-1])
	}
	return strings.Join(lines, "\n") + "\n"
}

func downCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the federation of this machine and remove what \"hansa up\" made",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, err := DefaultHome()
			if err != nil {
				return err
			}
			return Down(cmd.Context(), home, keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep-data", false, "keep the data, so that the next \"hansa up\" goes on with it")
	cmd.Flags().Bool("purge", true, "remove all data (the default; --keep-data keeps it)")
	cmd.MarkFlagsMutuallyExclusive("keep-data", "purge")
	return cmd
}

// Kubeconfig is the file with which kubectl reaches a member of "hansa up" directly.
func Kubeconfig(member string) (string, error) {
	home, err := DefaultHome()
	if err != nil {
		return "", err
	}
	if _, err := home.FindMember(member); err != nil {
		return "", err
	}
	return home.Kubeconfig(member), nil
}
