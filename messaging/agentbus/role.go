package agentbus

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member"
	"github.com/hansa-io/hansa/messaging/trace/otlp"
)

// collectAt makes the garbage collector run when the heap has grown by this many percent.
// An agent rests most of the time, and holds then what its last burst has left to grow
// into: with 1,000 objects, 100 would be 6 MB more.
const collectAt = 50

// Role runs the agent of one attached cluster until its context ends: "hansa agent", and
// hansa-agent, which is nothing else.
func Role(version string) func(context.Context, configs.Agent) error {
	return otlp.Traced("hansa-agent", func(ctx context.Context, c configs.Agent) error {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(collectAt)
		}
		opts, err := options(c, version)
		if err != nil {
			return err
		}
		agent, err := member.New(opts)
		if err != nil {
			return err
		}
		return agent.Run(ctx)
	})
}

func options(c configs.Agent, version string) (member.Options, error) {
	var ca []byte
	if c.ProbeCAFile != "" {
		var err error
		if ca, err = os.ReadFile(c.ProbeCAFile); err != nil {
			return member.Options{}, fmt.Errorf("read probeCAFile: %w", err)
		}
	}
	token, err := c.Token()
	if err != nil {
		return member.Options{}, err
	}
	return Complete(member.Options{
		Name: c.Name, Place: federation.Place(c.Place), Labels: c.Labels, StateDir: c.StateDir, JoinToken: token,
		Kubeconfig: c.Kubeconfig, Context: c.Context, AdmissionListen: c.Admission.Listen, AdmissionURL: c.Admission.URL,
		PeerListen: c.Peer.Listen, PeerAddress: c.Peer.Address, ProbeURL: c.ProbeURL, ProbeCA: ca, NoProbe: c.NoProbe, Version: version,
	}, slog.New(slog.NewTextHandler(os.Stderr, nil))), nil
}
