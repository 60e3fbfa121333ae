package configs

import (
	_ "embed" // for the directive below
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"time"

	"github.com/hansa-io/hansa/placement/catalogue"
)

//go:embed hub.yaml
var hubDefaults []byte

// Hub is the file of "hansa hub"; hub.yaml documents its fields and defaults.
type Hub struct {
	Name      string          `yaml:"name"`
	DataDir   string          `yaml:"dataDir"`
	Bus       Bus             `yaml:"bus"`
	Gateway   Gateway         `yaml:"gateway"`
	Stabilise time.Duration   `yaml:"stabilise"`
	Safety    Safety          `yaml:"safety"`
	Places    []catalogue.Own `yaml:"places"`
}

// Safety bounds what automation and operations may do.
type Safety struct {
	Most        float64 `yaml:"most"`        // share of all members
	Unexplained float64 `yaml:"unexplained"` // share of all members
	Reversals   int     `yaml:"reversals"`   // within 10 min
	Headroom    float64 `yaml:"headroom"`    // share of the capacity that is left
	Places      int     `yaml:"places"`      // members
}

// Bus is the bus of a hub: embedded, unless External says where another one is.
type Bus struct {
	Listen    string   `yaml:"listen"` // host:port
	CertFile  string   `yaml:"certFile"`
	KeyFile   string   `yaml:"keyFile"`
	CAFile    string   `yaml:"caFile"`
	Advertise []string `yaml:"advertise"` // host:port
	MinFree   Size     `yaml:"minFree"`   // 0 chooses, less than 0 is none
	KeysDir   string   `yaml:"keysDir"`   // empty means keys below dataDir
	Cluster   Cluster  `yaml:"cluster"`

	External  External  `yaml:"external"`
	Replicas  int       `yaml:"replicas"` // of an external bus; 0 means 3
	Placement Placement `yaml:"placement"`
}

// Cluster says where the buses of several hubs meet.
type Cluster struct {
	Listen string   `yaml:"listen"` // host:port; empty means that the hub is alone
	Routes []string `yaml:"routes"` // host:port, of the other hubs
}

// Gateway is where and how a gateway answers.
type Gateway struct {
	Listen        string `yaml:"listen"` // host:port; empty means none
	MetricsListen string `yaml:"metricsListen"`
	CertFile      string `yaml:"certFile"`
	KeyFile       string `yaml:"keyFile"`
	TokensFile    string `yaml:"tokensFile"`
	Place         Place  `yaml:"place"`
}

// Place is where a gateway is.
type Place struct {
	Region       string  `yaml:"region"`
	Zone         string  `yaml:"zone"`
	Provider     string  `yaml:"provider,omitempty"`
	Jurisdiction string  `yaml:"jurisdiction,omitempty"`
	Latitude     float64 `yaml:"latitude"`
	Longitude    float64 `yaml:"longitude"`
}

// DefaultHub returns what hub.yaml says.
func DefaultHub() (Hub, error) {
	var h Hub
	if err := Decode(hubDefaults, &h); err != nil {
		return Hub{}, fmt.Errorf("hub.yaml:%w", err)
	}
	return h, nil
}

// LoadHub reads the file at path over the defaults, makes its paths absolute and
// checks it.
func LoadHub(path string) (Hub, error) {
	h, err := DefaultHub()
	if err != nil {
		return Hub{}, err
	}
	if err := Load(path, &h); err != nil {
		return Hub{}, err
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Hub{}, fmt.Errorf("%s: %w", path, err)
	}
	beside(base, &h.DataDir, &h.Bus.CertFile, &h.Bus.KeyFile, &h.Bus.CAFile, &h.Gateway.CertFile, &h.Gateway.KeyFile, &h.Gateway.TokensFile, &h.Bus.KeysDir, &h.Bus.External.SystemCredentials)
	if h.Bus.KeysDir == "" {
		h.Bus.KeysDir = filepath.Join(h.DataDir, "keys")
	}
	if err := h.validate(); err != nil {
		return Hub{}, fmt.Errorf("%s: %w", path, err)
	}
	h.Bus.complete()
	return h, nil
}

func (h Hub) validate() error {
	if h.DataDir == "" {
		return fmt.Errorf("dataDir must be set")
	}
	if !hubName.MatchString(h.Name) {
		return fmt.Errorf("name: %q: want lower-case letters, digits and \"-\", at most 50 characters", h.Name)
	}
	if err := h.Bus.validate(); err != nil {
		return err
	}
	if err := h.Gateway.validate("gateway."); err != nil {
		return err
	}
	if h.Stabilise < 0 {
		return fmt.Errorf("stabilise: %v is negative", h.Stabilise)
	}
	if err := h.Safety.validate(); err != nil {
		return err
	}
	return catalogue.Check(h.Places)
}

var hubName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$`)

func (b Bus) validate() error {
	if b.Outside() {
		return b.validateExternal()
	}
	if err := b.validateEmbedded(); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(b.Listen); err != nil {
		return fmt.Errorf("bus.listen: %q is not HOST:PORT", b.Listen)
	}
	if b.Cluster.Listen == "" {
		if len(b.Cluster.Routes) > 0 {
			return fmt.Errorf("bus.cluster.listen must be set with bus.cluster.routes")
		}
		return nil
	}
	for _, address := range append([]string{b.Cluster.Listen}, b.Cluster.Routes...) {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("bus.cluster: %q is not HOST:PORT", address)
		}
	}
	switch n := len(b.Cluster.Routes); {
	case n != 2 && n != 4:
		return fmt.Errorf("bus.cluster.routes: %d other hubs: a bus has one server, three or five, so that a majority can decide", n)
	case len(b.Advertise) == 0:
		return fmt.Errorf("bus.advertise must list the addresses of all hubs, so that agents know where to go when one is away")
	}
	return nil
}

func (s Safety) validate() error {
	for _, f := range []struct {
		name  string
		share float64
	}{{"most", s.Most}, {"unexplained", s.Unexplained}, {"headroom", s.Headroom}} {
		if f.share < 0 || f.share > 1 {
			return fmt.Errorf("safety.%s: %v is not a share between 0 and 1", f.name, f.share)
		}
	}
	switch {
	case s.Most == 0 || s.Unexplained == 0:
		return fmt.Errorf("safety.most and safety.unexplained must be above 0; to stop automation: hansa freeze")
	case s.Reversals < 1:
		return fmt.Errorf("safety.reversals: %d is less than 1", s.Reversals)
	case s.Places < 1:
		return fmt.Errorf("safety.places: %d is less than 1", s.Places)
	}
	return nil
}
