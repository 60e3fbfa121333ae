package configs

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
)

// External says where a bus is that others run.
type External struct {
	URLs              []string `yaml:"urls"` // tls://host:port; none means that the bus is embedded
	SystemCredentials string   `yaml:"systemCredentials"`
}

// Placement says where the servers of an external bus keep streams.
type Placement struct {
	Cluster string   `yaml:"cluster"`
	Tags    []string `yaml:"tags"`
}

// defaultReplicas is how many servers of an external bus keep each stream.
const defaultReplicas = 3

// Outside reports whether others run the bus.
func (b Bus) Outside() bool { return len(b.External.URLs) > 0 }

// complete sets defaults that depend on other fields.
func (b *Bus) complete() {
	if b.Outside() && b.Replicas == 0 {
		b.Replicas = defaultReplicas
	}
}

func (b Bus) validateExternal() error {
	for _, text := range b.External.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "tls" || u.Hostname() == "" || u.Port() == "" {
			return fmt.Errorf("bus.external.urls: %q is not tls://HOST:PORT", text)
		}
	}
	for _, address := range b.Advertise {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("bus.advertise: %q is not HOST:PORT", address)
		}
	}
	switch {
	case b.Cluster.Listen != "" || len(b.Cluster.Routes) > 0:
		return errors.New("bus.cluster is of an embedded bus, and bus.external says that there is another: keep one of the two")
	case !slices.Contains([]int{0, 1, 3, 5}, b.Replicas):
		return fmt.Errorf("bus.replicas: %d: a stream has one, three or five, so that a majority can decide", b.Replicas)
	}
	return nil
}

// validateEmbedded refuses what only an external bus has.
func (b Bus) validateEmbedded() error {
	switch {
	case b.External.SystemCredentials != "":
		return errors.New("bus.external.urls must be set with bus.external.systemCredentials")
	case b.Replicas != 0:
		return errors.New("bus.replicas is of an external bus (bus.external): on an embedded one every server keeps every stream")
	case b.Placement.Cluster != "" || len(b.Placement.Tags) > 0:
		return errors.New("bus.placement is of an external bus (bus.external)")
	}
	return nil
}
