package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansa-io/hansa/gateway/cli"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/member/cluster/config"
)

// UpOptions says how to start a federation.
type UpOptions struct {
	Home      Home
	Spec      Spec
	AutoPorts bool // every port becomes a free one
	Detach    bool // return once all processes are started
	// Hansa and HansaCluster are the binaries to run.
	Hansa, HansaCluster string
	Sample              []*gatewayv1.File // applied at the end; nil for none
	SampleSource        string
	Progress            func(step string) // told each step; never nil
}

// Up starts what is missing of the federation and, unless told to detach, waits
// until every member is healthy and the sample is ready. ctx bounds it.
func Up(ctx context.Context, o UpOptions) (Spec, error) {
	spec, err := settle(o)
	if err != nil {
		return Spec{}, err
	}
	if err := o.Home.ensurePKI(); err != nil {
		return Spec{}, err
	}
	if err := o.Home.writeContext(spec); err != nil {
		return Spec{}, err
	}
	if err := startHubs(ctx, o, spec); err != nil {
		return Spec{}, err
	}
	client, err := o.Home.dial()
	if err != nil {
		return Spec{}, err
	}
	defer client.Close()
	for i, m := range spec.Members {
		if err := startMember(ctx, o, client, memberPlan{spec: spec, member: m, index: i}); err != nil {
			return Spec{}, err
		}
	}
	if o.Detach {
		return spec, nil
	}
	if err := awaitMembers(ctx, o, client, spec); err != nil {
		return Spec{}, err
	}
	return spec, applySample(ctx, o, client)
}

// settle returns the spec of the running federation, or settles a new one.
func settle(o UpOptions) (Spec, error) {
	saved, err := loadSaved(o.Home.Spec())
	if err != nil {
		return Spec{}, err
	}
	if len(saved.Members) > 0 {
		return saved, nil
	}
	if err := o.Spec.Validate(); err != nil {
		return Spec{}, err
	}
	if err := o.Spec.checkMachine(o.Home, o.HansaCluster); err != nil {
		return Spec{}, err
	}
	spec, err := o.Spec.settlePorts(o.AutoPorts)
	if err != nil {
		return Spec{}, err
	}
	if err := os.MkdirAll(string(o.Home), 0o700); err != nil {
		return Spec{}, fmt.Errorf("make %s: %w", o.Home, err)
	}
	return spec, spec.save(o.Home.Spec())
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func writeYAML(path string, v any) error {
	b, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// memberPlan is one member of a spec, and its place in it.
type memberPlan struct {
	spec   Spec
	member Member
	index  int
}

// startMember starts one member's process unless it runs. A member that never
// joined gets a one-time token.
func startMember(ctx context.Context, o UpOptions, client *cli.Client, plan memberPlan) error {
	process := o.Home.member(plan.member.Name)
	if process.alive() {
		return nil
	}
	file := filepath.Join(process.Dir, "cluster.yaml")
	if _, err := os.Stat(file); isMissing(err) {
		o.Progress("joining " + plan.member.Name + " (" + plan.member.Region + ")")
		token, err := client.Members.CreateToken(ctx, &gatewayv1.CreateTokenRequest{
			Member: plan.member.Name, Ttl: durationpb.New(time.Hour),
		})
		if err != nil {
			return fmt.Errorf("create a join token for %s: %w", plan.member.Name, err)
		}
		if err := writeYAML(file, plan.config(o.Home, token.GetToken())); err != nil {
			return err
		}
	}
	return process.start(o.HansaCluster, "--config", file)
}

// serviceRange and podRange are those of a member by its place in the spec.
func serviceRange(i int) netip.Prefix { return rangeOf(96 + i) }
func podRange(i int) netip.Prefix     { return rangeOf(160 + i) }

func rangeOf(second int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(second)}), 16)
}

// config is the file of the member's process. Each member has address ranges of
// its own, so that endpoints of different members never share an address.
func (p memberPlan) config(home Home, token string) config.Config {
	dir := home.MemberDir(p.member.Name)
	place := p.member.place()
	nodes := p.spec.nodesOf(p.member)
	if nodes.Kind == config.KindContainerd {
		nodes.Network = string(home.network())
	}
	c := config.Config{
		Name:        p.member.Name,
		Place:       config.Place{Region: place.Region, Zone: place.Zone, Latitude: place.Latitude, Longitude: place.Longitude},
		DataDir:     filepath.Join(dir, "data"),
		APIPort:     p.member.APIPort,
		ServiceCIDR: serviceRange(p.index).String(),
		PodCIDR:     podRange(p.index).String(),
		Nodes:       nodes,
		Labels:      p.member.Labels,
		Agent:       &config.AgentConfig{JoinToken: token},
	}
	return c.Complete()
}

// awaitMembers waits until every member is healthy.
func awaitMembers(ctx context.Context, o UpOptions, client *cli.Client, spec Spec) error {
	told := ""
	err := poll(ctx, 200*time.Millisecond, func() (bool, error) {
		for _, m := range spec.Members {
			if p := o.Home.member(m.Name); !p.alive() {
				return false, fmt.Errorf("member %s ended: %s (log: %s)", m.Name, p.lastLine(), p.Log())
			}
		}
		list, err := client.Members.ListMembers(ctx, &gatewayv1.ListMembersRequest{})
		if err != nil {
			return false, nil //nolint:nilerr // the gateway may be busy; ctx bounds the wait
		}
		waiting := notReady(spec, list.GetItems())
		if step := "waiting for " + strings.Join(waiting, ", "); len(waiting) > 0 && step != told {
			o.Progress(step)
			told = step
		}
		return len(waiting) == 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: not healthy in time; look at the logs under %s", told, o.Home.path("members"))
	}
	return err
}

// notReady names the members of the spec that are not healthy with all nodes ready.
func notReady(spec Spec, list []*gatewayv1.Member) []string {
	ready := map[string]bool{}
	for _, m := range list {
		s := m.GetStatus()
		ready[m.GetMetadata().GetName()] = s.GetHealth() == "Healthy" && s.GetNodes() > 0 && s.GetNodes() == s.GetNodesReady()
	}
	var out []string
	for _, m := range spec.Members {
		if !ready[m.Name] {
			out = append(out, m.Name)
		}
	}
	return out
}

// applySample applies the sample and waits until its workloads are ready.
func applySample(ctx context.Context, o UpOptions, client *cli.Client) error {
	if len(o.Sample) == 0 {
		return nil
	}
	o.Progress("applying " + o.SampleSource)
	if _, err := client.Workloads.Apply(ctx, &gatewayv1.ApplyRequest{Files: o.Sample, Source: o.SampleSource}); err != nil {
		return fmt.Errorf("apply %s: %w", o.SampleSource, err)
	}
	err := poll(ctx, 100*time.Millisecond, func() (bool, error) {
		list, err := client.Workloads.ListWorkloads(ctx, &gatewayv1.ListWorkloadsRequest{})
		if err != nil || len(list.GetItems()) == 0 {
			return false, nil //nolint:nilerr // ctx bounds the wait
		}
		for _, w := range list.GetItems() {
			if w.GetStatus().GetState() != "Ready" {
				return false, nil
			}
		}
		return true, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s is not ready in time: see \"hansa get workloads\"", o.SampleSource)
	}
	return err
}
