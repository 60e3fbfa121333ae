package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/gateway/cli"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/host"
)

func nodeCommand() *cobra.Command {
	group := &cobra.Command{Use: "node", Short: "Act on a containerd node of a member that \"hansa up\" started"}
	for _, v := range []struct{ verb, short string }{
		{"stop", "Kill a node (SIGKILL) with all its pods, as if it had lost power"},
		{"pause", "Freeze every process of a node where it is, pods included"},
		{"cut", "Cut a node off from every network; its pods run on"},
		{"start", "Start a node that was stopped, thaw a paused one, end a cut"},
	} {
		group.AddCommand(&cobra.Command{
			Use: v.verb + " MEMBER/NODE", Short: v.short, Args: cobra.ExactArgs(1),
			Example: "  hansa node " + v.verb + " tokyo/tokyo-node-0",
			RunE: func(cmd *cobra.Command, args []string) error {
				return nodeVerb(cmd, args[0], v.verb)
			},
		})
	}
	return group
}

func nodeVerb(cmd *cobra.Command, target, verb string) error {
	member, node, ok := strings.Cut(target, "/")
	if !ok || member == "" || node == "" {
		return cli.Usagef("%q is no MEMBER/NODE: write for example tokyo/tokyo-node-0", target)
	}
	home, err := DefaultHome()
	if err != nil {
		return err
	}
	var states []struct{ Name, State string }
	if err := home.askNodes(cmd.Context(), member, "/nodes/"+node+"/"+verb, nil, &states); err != nil {
		return err
	}
	for _, s := range states {
		if s.Name == node {
			fmt.Fprintf(cmd.OutOrStdout(), "node %s of %s: %s\n", s.Name, member, s.State)
		}
	}
	return nil
}

func imageCommand() *cobra.Command {
	group := &cobra.Command{Use: "image", Short: "Images of containerd nodes"}
	group.AddCommand(&cobra.Command{
		Use: "load FILE MEMBER...", Short: "Give a tarball of images, as \"docker save\" writes it, to all nodes of members",
		Example: "  hansa image load shop.tar tokyo frankfurt", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, member := range args[1:] {
				if err := loadImage(cmd, args[0], member); err != nil {
					return err
				}
			}
			return nil
		},
	})
	return group
}

func loadImage(cmd *cobra.Command, path, member string) error {
	home, err := DefaultHome()
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open images: %w", err)
	}
	defer file.Close()
	var nodes []string
	if err := home.askNodes(cmd.Context(), member, "/images", file, &nodes); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s loaded into %s\n", filepath.Base(path), strings.Join(nodes, ", "))
	return nil
}

// askNodes sends body to the nodes of a member and decodes the answer.
func (h Home) askNodes(ctx context.Context, member, path string, body io.Reader, answer any) error {
	process, err := h.FindMember(member)
	if err != nil {
		return err
	}
	spec, err := loadSaved(h.Spec())
	if err != nil {
		return err
	}
	for _, m := range spec.Members {
		if m.Name == member && spec.nodesOf(m).Kind != config.KindContainerd {
			return fmt.Errorf("the nodes of %s are simulated: only containerd nodes can do this, see \"hansa up --nodes containerd\"", member)
		}
	}
	if !process.alive() {
		return fmt.Errorf("member %s is not running: start it with \"hansa member start %s\"", member, member)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://nodes"+path, body)
	if err != nil {
		return fmt.Errorf("ask the nodes of %s: %w", member, err)
	}
	return askSocket(request, filepath.Join(process.Dir, "data", "run"), answer)
}

// askLimit is for the largest of images.
const askLimit = 10 * time.Minute

func askSocket(request *http.Request, dir string, answer any) error {
	client := http.Client{Timeout: askLimit, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return host.Dial(ctx, dir) },
	}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the nodes: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("ask the nodes: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", bytes.TrimSpace(text))
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the answer of the nodes: %w", err)
	}
	return nil
}
