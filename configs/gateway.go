package configs

import (
	_ "embed" // for the directive below
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/hansa-io/hansa/placement/catalogue"
)

//go:embed gateway.yaml
var gatewayDefaults []byte

// GatewayRole is the file of "hansa gateway", a gateway in a process of its own;
// gateway.yaml documents its fields and defaults.
type GatewayRole struct {
	Name   string          `yaml:"name"`
	Bus    BusClient       `yaml:"bus"`
	Places []catalogue.Own `yaml:"places"`
	// SnapshotDir keeps what was read from the bus across restarts; empty means nothing does.
	SnapshotDir string `yaml:"snapshotDir"`
	Gateway     `yaml:",inline"`
}

// BusClient says how to reach a bus.
type BusClient struct {
	URLs            []string `yaml:"urls"` // tls://host:port
	CAFile          string   `yaml:"caFile"`
	CredentialsFile string   `yaml:"credentialsFile"`
}

// LoadGateway reads the file at path over the defaults, makes its paths absolute
// and checks it.
func LoadGateway(path string) (GatewayRole, error) {
	var g GatewayRole
	if err := Decode(gatewayDefaults, &g); err != nil {
		return GatewayRole{}, fmt.Errorf("gateway.yaml:%w", err)
	}
	if err := Load(path, &g); err != nil {
		return GatewayRole{}, err
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return GatewayRole{}, fmt.Errorf("%s: %w", path, err)
	}
	beside(base, &g.SnapshotDir, &g.Bus.CAFile, &g.Bus.CredentialsFile, &g.CertFile, &g.KeyFile, &g.TokensFile)
	if err := g.validate(); err != nil {
		return GatewayRole{}, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// beside makes relative paths absolute: they count from base.
func beside(base string, paths ...*string) {
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
}

func (g GatewayRole) validate() error {
	switch {
	case len(g.Bus.URLs) == 0:
		return errors.New("bus.urls must name where a hub's bus listens, for example tls://10.0.0.1:7422")
	case g.Listen == "":
		return errors.New("listen must be set")
	}
	if err := catalogue.Check(g.Places); err != nil {
		return err
	}
	return g.Gateway.validate("")
}

// validate checks the addresses, whose fields are below prefix.
func (g Gateway) validate(prefix string) error {
	for _, a := range []struct{ field, address string }{{"listen", g.Listen}, {"metricsListen", g.MetricsListen}} {
		if a.address == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a.address); err != nil {
			return fmt.Errorf("%s%s: %q is not HOST:PORT", prefix, a.field, a.address)
		}
	}
	return nil
}
