package local

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/host"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// Spec is the file of "hansa up -f": which members there are, and where
// everything listens. Its defaults are configs/local.yaml.
type Spec struct {
	// Hubs is how many hubs there are: one, or three that make one bus.
	Hubs    int          `yaml:"hubs"`
	Members []Member     `yaml:"members"`
	Nodes   config.Nodes `yaml:"nodes"` // of each member that has none of its own
	Ports   Ports        `yaml:"ports"`
	Place   Place        `yaml:"place"`
	// HubPorts has the ports of each hub; what is missing counts up from Ports.
	HubPorts []HubPorts `yaml:"hubPorts,omitempty"`
}

// HubPorts are the ports of one hub on 127.0.0.1.
type HubPorts struct {
	Gateway int `yaml:"gateway"`
	Metrics int `yaml:"metrics"`
	Bus     int `yaml:"bus"`
	Cluster int `yaml:"cluster"` // where its bus meets the others; unused by one hub alone
}

// Member is one member of a Spec.
type Member struct {
	Name      string            `yaml:"name"`
	Region    string            `yaml:"region"`
	Zone      string            `yaml:"zone,omitempty"`
	Latitude  float64           `yaml:"latitude,omitempty"`
	Longitude float64           `yaml:"longitude,omitempty"`
	Labels    map[string]string `yaml:"labels,omitempty"`
	Nodes     *config.Nodes     `yaml:"nodes,omitempty"`
	// APIPort is where its API server listens; 0 takes Ports.MembersAPI and up.
	APIPort int `yaml:"apiPort,omitempty"`
}

// Ports are ports on 127.0.0.1; 0 takes a free one.
type Ports struct {
	Gateway    int `yaml:"gateway"`
	Metrics    int `yaml:"metrics"`
	Bus        int `yaml:"bus"`
	Cluster    int `yaml:"cluster"`    // of the first hub, for the buses of the others
	MembersAPI int `yaml:"membersAPI"` // of the first member; the others count up
}

// Place is where the gateway is.
type Place struct {
	Region    string  `yaml:"region"`
	Zone      string  `yaml:"zone,omitempty"`
	Latitude  float64 `yaml:"latitude,omitempty"`
	Longitude float64 `yaml:"longitude,omitempty"`
}

// LoadSpec reads the file at path over the defaults; an empty path means the
// defaults alone. A members list in the file replaces the default one.
func LoadSpec(path string) (Spec, error) {
	var spec Spec
	if err := configs.Decode(configs.Local, &spec); err != nil {
		return Spec{}, fmt.Errorf("configs/local.yaml:%w", err)
	}
	if path == "" {
		return spec, nil
	}
	if err := configs.Load(path, &spec); err != nil {
		return Spec{}, err
	}
	return spec, nil
}

// extraRegions are where Resize puts members beyond those of the file.
var extraRegions = []Member{
	{Name: "singapore", Region: "ap-southeast"},
	{Name: "saopaulo", Region: "sa-east"},
	{Name: "oregon", Region: "us-west"},
	{Name: "dublin", Region: "eu-west"},
	{Name: "mumbai", Region: "ap-south"},
}

// Resize gives the spec n members: the first n it has, then more in other regions.
func (s Spec) Resize(n int) Spec {
	members := slices.Clone(s.Members)
	for i := 0; len(members) < n; i++ {
		extra := extraRegions[i%len(extraRegions)]
		if i >= len(extraRegions) {
			extra.Name += strconv.Itoa(1 + i/len(extraRegions))
		}
		members = append(members, extra)
	}
	s.Members = members[:n]
	return s
}

// WithNodes gives the members without nodes of their own other nodes and another
// count; a count of 0 keeps what the file says. Of containerd nodes, each of which
// takes its share of this machine, one is enough for a member.
func (s Spec) WithNodes(ask config.Ask, count int) Spec {
	if ask.Kind() == config.KindContainerd && s.Nodes.Kind != ask.Kind() {
		s.Nodes.Count = 1
	}
	s.Nodes = ask.Of(s.Nodes)
	if count > 0 {
		s.Nodes.Count = count
	}
	return s
}

// nodesOf are the nodes of a member.
func (s Spec) nodesOf(m Member) config.Nodes {
	if m.Nodes != nil {
		return *m.Nodes
	}
	return s.Nodes
}

// checkMachine says what this machine lacks for the members whose nodes run
// containers.
func (s Spec) checkMachine(home Home, hansaCluster string) error {
	for i, m := range s.Members {
		if s.nodesOf(m).Kind != config.KindContainerd {
			continue
		}
		if err := host.Check(hansaCluster); err != nil {
			return err
		}
		if err := home.network().CheckFree(podRange(i), serviceRange(i)); err != nil {
			return fmt.Errorf("member %s: %w", m.Name, err)
		}
	}
	return nil
}

var memberName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// Validate says what is wrong with the spec, before anything is started.
func (s Spec) Validate() error {
	if len(s.Members) == 0 {
		return fmt.Errorf("members: at least one is needed")
	}
	if s.Hubs != 1 && s.Hubs != 3 {
		return fmt.Errorf("hubs: %d: want 1, or 3 that make one bus", s.Hubs)
	}
	seen := map[string]bool{}
	for i, m := range s.Members {
		switch {
		case !memberName.MatchString(m.Name) || len(m.Name) > config.MaxName:
			return fmt.Errorf("members[%d].name: %q is not a DNS label of at most %d characters", i, m.Name, config.MaxName)
		case seen[m.Name]:
			return fmt.Errorf("members[%d].name: %q is taken by another member", i, m.Name)
		case m.Region == "":
			return fmt.Errorf("members[%d].region: member %s needs a region", i, m.Name)
		}
		seen[m.Name] = true
	}
	return s.Ports.validate()
}

func (p Ports) validate() error {
	for _, port := range []struct {
		name string
		n    int
	}{{"gateway", p.Gateway}, {"metrics", p.Metrics}, {"bus", p.Bus}, {"cluster", p.Cluster}, {"membersAPI", p.MembersAPI}} {
		if port.n < 0 || port.n > 65535 {
			return fmt.Errorf("ports.%s: %d is not a port: want 0 (a free one) to 65535", port.name, port.n)
		}
	}
	return nil
}

// place completes the coordinates of a region from the catalogue.
func (m Member) place() federation.Place {
	return catalogue.Resolve(federation.Place{
		Region: m.Region, Zone: m.Zone, Provider: "local", Latitude: m.Latitude, Longitude: m.Longitude,
	})
}

func (p Place) place() federation.Place {
	return catalogue.Resolve(federation.Place{
		Region: p.Region, Zone: p.Zone, Provider: "local", Latitude: p.Latitude, Longitude: p.Longitude,
	})
}

// settlePorts replaces each 0 by a free port and gives each hub and member its own,
// then checks that all of them are free. With auto, every port becomes a free one.
func (s Spec) settlePorts(auto bool) (Spec, error) {
	s.Members = slices.Clone(s.Members)
	s.HubPorts = slices.Clone(s.HubPorts)
	var wanted []*int
	for i := range s.Hubs {
		if len(s.HubPorts) == i {
			s.HubPorts = append(s.HubPorts, s.Ports.ofHub(i))
		}
	}
	for i := range s.Hubs {
		h := &s.HubPorts[i]
		wanted = append(wanted, &h.Gateway, &h.Metrics, &h.Bus)
		if s.Hubs > 1 {
			wanted = append(wanted, &h.Cluster)
		}
	}
	for i := range s.Members {
		m := &s.Members[i]
		if m.APIPort == 0 && s.Ports.MembersAPI != 0 {
			m.APIPort = s.Ports.MembersAPI + i
		}
		wanted = append(wanted, &m.APIPort)
	}
	if err := takeFree(wanted, auto); err != nil {
		return s, err
	}
	first := s.HubPorts[0]
	s.Ports.Gateway, s.Ports.Metrics, s.Ports.Bus = first.Gateway, first.Metrics, first.Bus
	return s, nil
}

// ofHub counts up from the ports of the first hub.
func (p Ports) ofHub(i int) HubPorts {
	up := func(port int) int {
		if port == 0 {
			return 0
		}
		return port + i
	}
	return HubPorts{Gateway: up(p.Gateway), Metrics: up(p.Metrics), Bus: up(p.Bus), Cluster: up(p.Cluster)}
}

// takeFree checks that the ports are free and replaces each 0 by a free one.
func takeFree(wanted []*int, auto bool) error {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for _, port := range wanted {
		if auto {
			*port = 0
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(*port)))
		if err != nil {
			return fmt.Errorf("port %d of 127.0.0.1 is taken: stop what uses it, name another in the file of -f, or use --ports auto", *port)
		}
		held = append(held, l)
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// save writes the settled spec, from which a later command knows the members.
func (s Spec) save(path string) error {
	b, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return os.WriteFile(path, b, 0o600)
}

// loadSaved reads what save wrote. The zero Spec and no error: there is none.
func loadSaved(path string) (Spec, error) {
	var s Spec
	err := configs.Load(path, &s)
	if err != nil && !isMissing(err) {
		return Spec{}, err
	}
	return s, nil
}
