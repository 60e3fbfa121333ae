package configs

import (
	_ "embed" // for the directive below
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed agent.yaml
var agentDefaults []byte

// Agent is the file of "hansa agent"; agent.yaml documents its fields and defaults.
type Agent struct {
	Name        string            `yaml:"name"`
	Place       Place             `yaml:"place"`
	Labels      map[string]string `yaml:"labels"`
	Kubeconfig  string            `yaml:"kubeconfig"`
	Context     string            `yaml:"context"`
	ProbeURL    string            `yaml:"probeURL"`
	ProbeCAFile string            `yaml:"probeCAFile"`
	NoProbe     bool              `yaml:"noProbe"`
	StateDir    string            `yaml:"stateDir"`
	JoinToken   string            `yaml:"joinToken"`
	// JoinTokenFile has the token instead.
	JoinTokenFile string    `yaml:"joinTokenFile"`
	Admission     Admission `yaml:"admission"`
	Peer          Peer      `yaml:"peer"`
}

// Peer says where hubs and other agents ask this agent beside the bus.
type Peer struct {
	Listen  string `yaml:"listen"`  // host:port; empty means that nobody can ask
	Address string `yaml:"address"` // host:port where they reach it; empty means listen
}

// Admission says where the cluster's API server asks about pods of at-most-one
// workloads.
type Admission struct {
	Listen string `yaml:"listen"` // host:port; empty means that nobody asks
	URL    string `yaml:"url"`    // https://host:port, or of a Service; empty means listen
}

// LoadAgent reads the file at path over the defaults, makes its paths absolute and
// checks it.
func LoadAgent(path string) (Agent, error) {
	var a Agent
	if err := Decode(agentDefaults, &a); err != nil {
		return Agent{}, fmt.Errorf("agent.yaml:%w", err)
	}
	if err := Load(path, &a); err != nil {
		return Agent{}, err
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Agent{}, fmt.Errorf("%s: %w", path, err)
	}
	beside(base, &a.Kubeconfig, &a.ProbeCAFile, &a.StateDir, &a.JoinTokenFile)
	if err := a.validate(); err != nil {
		return Agent{}, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

func (a Agent) validate() error {
	switch {
	case a.Name == "":
		return errors.New("name must be set: the name under which the cluster joins")
	case a.Place.Region == "":
		return errors.New("place.region must be set, for example eu-central")
	case a.Kubeconfig == "" && a.Context != "":
		return errors.New("kubeconfig must be set with context: a pod's service account has none")
	case a.StateDir == "":
		return errors.New("stateDir must be set")
	case a.JoinToken != "" && a.JoinTokenFile != "":
		return errors.New("joinToken and joinTokenFile are both set: remove one")
	case a.Admission.URL != "" && a.Admission.Listen == "":
		return errors.New("admission.listen must be set with admission.url")
	case a.Peer.Address != "" && a.Peer.Listen == "":
		return errors.New("peer.listen must be set with peer.address")
	case a.ProbeURL != "" && a.ProbeCAFile == "":
		return errors.New("probeCAFile must be set with probeURL: the CA that signs the API server's certificate")
	}
	return nil
}

// Token returns the join token. A file that is not there has none: the agent needs it
// once, and its Secret may be gone later.
func (a Agent) Token() (string, error) {
	if a.JoinTokenFile == "" {
		return a.JoinToken, nil
	}
	b, err := os.ReadFile(a.JoinTokenFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read joinTokenFile: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
