package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) kubeconfigCommand() *cobra.Command {
	var out string
	var merge, direct bool
	cmd := &cobra.Command{
		Use:   "kubeconfig MEMBER",
		Short: "A kubeconfig with which kubectl reaches a member through the gateway",
		Long: `Print a kubeconfig whose server is the gateway, which leads to the member over the
bus; of several gateways it is the first that answers now. It names the files of the
CA and of the token of the context file, and has no secret itself. What you may do in
the member is decided by your role at the gateway, and by RBAC there.`,
		Example: `  hansa kubeconfig tokyo --merge && kubectl --context hansa-tokyo get pods -A
  hansa kubeconfig tokyo --out tokyo.kubeconfig`,
		Args:              one("NAME of a member"),
		ValidArgsFunction: a.completeMembers(),
	}
	flags := cmd.Flags()
	flags.StringVar(&out, "out", "", "write to this file instead of printing")
	flags.BoolVar(&merge, "merge", false, "write into the first file of $KUBECONFIG, or ~/.kube/config, and make it the current context")
	flags.BoolVar(&direct, "direct", false, "past the gateway, with an administrator's rights; only for members of \"hansa up\" on this machine")
	cmd.MarkFlagsMutuallyExclusive("out", "merge")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := a.kubeconfigOf(cmd, args[0], direct)
		switch {
		case err != nil:
			return err
		case merge:
			return mergeKubeconfig(cmd, text)
		case out != "":
			return writeWhole(out, text)
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	return cmd
}

func (a *app) kubeconfigOf(cmd *cobra.Command, member string, direct bool) ([]byte, error) {
	if direct {
		if a.opts.Direct == nil {
			return nil, errors.New("this command knows no federation of \"hansa up\"")
		}
		path, err := a.opts.Direct(member)
		if err != nil {
			return nil, err
		}
		return os.ReadFile(path)
	}
	client, err := a.dial()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	list, err := client.Members.ListMembers(cmd.Context(), &gatewayv1.ListMembersRequest{})
	if err != nil {
		return nil, err
	}
	if _, err := members.choose(list.GetItems(), query{names: []string{member}}); err != nil {
		return nil, err
	}
	api, err := a.memberAPI(cmd.Context())
	if err != nil {
		return nil, err
	}
	return newKubeconfig(member, api.gateway, a.used)
}

// kubeconfig is the file of kubectl. What is not named here is kept when it is merged.
type kubeconfig struct {
	APIVersion string         `yaml:"apiVersion"`
	Kind       string         `yaml:"kind"`
	Current    string         `yaml:"current-context"`
	Clusters   []kubeEntry    `yaml:"clusters"`
	Users      []kubeEntry    `yaml:"users"`
	Contexts   []kubeEntry    `yaml:"contexts"`
	Rest       map[string]any `yaml:",inline"`
}

// kubeEntry is one entry: its name, and what it is under the word for its kind.
type kubeEntry struct {
	Name string         `yaml:"name"`
	Rest map[string]any `yaml:",inline"`
}

// newKubeconfig names the files of the context by absolute paths.
func newKubeconfig(member, gateway string, c Context) ([]byte, error) {
	name := "hansa-" + member
	cluster, user := map[string]any{"server": "https://" + gateway + "/members/" + member}, map[string]any{}
	for path, set := range map[string]func(string){
		c.CAFile: func(p string) { cluster["certificate-authority"] = p }, c.TokenFile: func(p string) { user["tokenFile"] = p },
	} {
		if path == "" {
			continue
		}
		whole, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		set(whole)
	}
	return encodeKubeconfig(kubeconfig{
		APIVersion: "v1", Kind: "Config", Current: name,
		Clusters: []kubeEntry{{name, map[string]any{"cluster": cluster}}}, Users: []kubeEntry{{name, map[string]any{"user": user}}},
		Contexts: []kubeEntry{{name, map[string]any{"context": map[string]any{"cluster": name, "user": name}}}},
	})
}

func encodeKubeconfig(k kubeconfig) ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := encoder.Encode(k)
	return b.Bytes(), err
}

// mergeKubeconfig puts the entries of one kubeconfig into the user's.
func mergeKubeconfig(cmd *cobra.Command, text []byte) error {
	path := ""
	if list := filepath.SplitList(os.Getenv("KUBECONFIG")); len(list) > 0 {
		path = list[0]
	}
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return fmt.Errorf("find the home directory: %w: set KUBECONFIG", err)
		}
		path = filepath.Join(home, ".kube", "config")
	}
	var ours kubeconfig
	if err := yaml.Unmarshal(text, &ours); err != nil {
		return err
	}
	merged, err := readKubeconfig(path)
	if err != nil {
		return err
	}
	merged.Current = ours.Current
	merged.Clusters, merged.Users, merged.Contexts = put(merged.Clusters, ours.Clusters), put(merged.Users, ours.Users), put(merged.Contexts, ours.Contexts)
	if text, err = encodeKubeconfig(merged); err != nil {
		return err
	}
	if err := writeWhole(path, text); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: the context is now %s\n", path, ours.Current)
	return nil
}

// readKubeconfig reads a file that need not exist.
func readKubeconfig(path string) (kubeconfig, error) {
	k := kubeconfig{APIVersion: "v1", Kind: "Config"}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = yaml.Unmarshal(text, &k)
	}
	if err != nil {
		return k, fmt.Errorf("read the kubeconfig %s, which stays as it is: %w", path, err)
	}
	return k, nil
}

// put replaces or appends entries by name.
func put(all, ours []kubeEntry) []kubeEntry {
	for _, one := range ours {
		if i := slices.IndexFunc(all, func(n kubeEntry) bool { return n.Name == one.Name }); i >= 0 {
			all[i] = one
		} else {
			all = append(all, one)
		}
	}
	return all
}

// writeWhole replaces a file, or what a link leads to, for its owner's eyes only.
func writeWhole(path string, text []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name()) // gone when it has the other name
	_, err = fresh.Write(text)
	if err = errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), path)
}
