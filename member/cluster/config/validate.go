package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/hansa-io/hansa/member/cluster/host"
)

var (
	dnsLabel     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	labelValue   = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$`)
	minorVersion = regexp.MustCompile(`^1\.[0-9]{1,3}$`)
	labelKey     = regexp.MustCompile(`^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
)

// problems collects what is wrong with a configuration, in the order of its
// fields.
type problems []string

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, field+": "+fmt.Sprintf(format, args...))
}

// Validate checks a completed configuration. The error is one line that names
// every field at fault and what is allowed.
func (c Config) Validate() error {
	var p problems
	c.validateName(&p)
	c.Place.validate(&p)
	if c.DataDir == "" {
		p.add("dataDir", "is missing: name a directory for the member's data")
	}
	if a, err := netip.ParseAddr(c.APIAddress); err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() {
		p.add("apiAddress", "%q is no IPv4 address of this machine: write for example 127.0.0.1", c.APIAddress)
	}
	if c.APIPort < 0 || c.APIPort > 65535 {
		p.add("apiPort", "%d is no port: use 1 to 65535, or 0 for a free one", c.APIPort)
	}
	if c.EmulatedVersion != "" && !minorVersion.MatchString(c.EmulatedVersion) {
		p.add("kubernetesEmulatedVersion", "%q is no minor version: write for example \"1.35\", with quotes", c.EmulatedVersion)
	}
	c.Nodes.validate(&p)
	c.validateRanges(&p)
	c.validateLabels(&p)
	if len(p) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(p, "; "))
}

func (c Config) validateName(p *problems) {
	switch {
	case c.Name == "":
		p.add("name", "is missing: name the member")
	case len(c.Name) > MaxName:
		p.add("name", "has %d characters: at most %d are allowed", len(c.Name), MaxName)
	case !dnsLabel.MatchString(c.Name):
		p.add("name", "%q must be lower-case letters, digits and '-', and begin and end with a letter or digit", c.Name)
	}
}

func (p Place) validate(out *problems) {
	validateDomain(out, "place.region", p.Region)
	validateDomain(out, "place.zone", p.Zone)
	if !(p.Latitude >= -90 && p.Latitude <= 90) {
		out.add("place.latitude", "%v is outside -90 to 90", p.Latitude)
	}
	if !(p.Longitude >= -180 && p.Longitude <= 180) {
		out.add("place.longitude", "%v is outside -180 to 180", p.Longitude)
	}
}

// validateDomain checks the name of a region or zone, which becomes the value
// of a node label.
func validateDomain(p *problems, field, value string) {
	if value == "" || len(value) > 63 || !labelValue.MatchString(value) {
		p.add(field, "%q must be 1 to 63 letters, digits, '-', '_' or '.'", value)
	}
}

func (n Nodes) validate(p *problems) {
	switch n.Kind {
	case KindSimulated:
	case KindContainerd:
		n.validateContainerd(p)
	default:
		p.add("nodes.kind", "%q is unknown: write %q or %q", n.Kind, KindSimulated, KindContainerd)
	}
	if n.Count < 1 || n.Count > MaxNodes {
		p.add("nodes.count", "%d is outside 1 to %d", n.Count, MaxNodes)
	}
	switch {
	case n.Simulated == 0:
	case n.Kind != KindContainerd:
		p.add("nodes.simulated", "%d beside nodes of the kind %s: write them into nodes.count", n.Simulated, n.Kind)
	case n.Simulated < 0 || n.Total() > MaxNodes:
		p.add("nodes.simulated", "%d: with nodes.count at most %d are allowed", n.Simulated, MaxNodes)
	}
	validateQuantity(p, "nodes.cpu", n.CPU)
	validateQuantity(p, "nodes.memory", n.Memory)
	if n.Pods < 1 || n.Pods > MaxPods {
		p.add("nodes.pods", "%d is outside 1 to %d", n.Pods, MaxPods)
	}
	for i, zone := range n.Zones {
		validateDomain(p, fmt.Sprintf("nodes.zones[%d]", i), zone)
	}
}

func (n Nodes) validateContainerd(p *problems) {
	if n.Count > MaxContainerdNodes {
		p.add("nodes.count", "%d is more than the %d containerd nodes of one member", n.Count, MaxContainerdNodes)
	}
	if n.Pods > MaxContainerdPods {
		p.add("nodes.pods", "%d is more than the %d pods of one containerd node", n.Pods, MaxContainerdPods)
	}
	if !host.Network(n.Network).Valid() {
		p.add("nodes.network", "%q must be eight hexadecimal digits", n.Network)
	}
}

func validateQuantity(p *problems, field, value string) {
	quantity, err := resource.ParseQuantity(value)
	if err != nil || quantity.Sign() <= 0 {
		p.add(field, "%q is no positive quantity: write for example 4, 500m or 16Gi", value)
	}
}

func (c Config) validateRanges(p *problems) {
	service, serviceOK := validateCIDR(p, "serviceCIDR", c.ServiceCIDR)
	if serviceOK && (service.Bits() < 12 || service.Bits() > 24) {
		p.add("serviceCIDR", "%s must be between /12 and /24", service)
	}
	pod, podOK := validateCIDR(p, "podCIDR", c.PodCIDR)
	if podOK {
		c.validateRoom(p, pod)
	}
	if serviceOK && podOK && service.Overlaps(pod) {
		p.add("podCIDR", "%s overlaps serviceCIDR %s: choose ranges apart", pod, service)
	}
}

// validateRoom checks that full nodes find their addresses. Containerd nodes take a
// /24 each, and the machine one more. Of simulated ones, each takes an address, and so
// do their pods. Where there are both, each kind has half of the range.
func (c Config) validateRoom(p *problems, pod netip.Prefix) {
	containerd, simulated := c.Nodes.Numbers()
	room, of := 1<<(32-pod.Bits()), pod.String()
	if containerd > 0 && simulated > 0 {
		room, of = room/2, "half of "+of
	}
	if containerd > 0 && (1+containerd)*256 > room {
		p.add("podCIDR", "%s is too small for %d containerd nodes, each of which takes a /24: use a larger range", of, containerd)
	}
	if simulated > 0 && unusedAddresses+simulated*(1+c.Nodes.Pods) > room {
		p.add("podCIDR", "%s is too small for %d nodes of %d pods: use a larger range", of, simulated, c.Nodes.Pods)
	}
}

// unusedAddresses are the first and the last of a range.
const unusedAddresses = 2

func validateCIDR(p *problems, field, value string) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(value)
	if err != nil || !prefix.Addr().Is4() {
		p.add(field, "%q is no IPv4 range: write for example 10.96.0.0/16", value)
		return netip.Prefix{}, false
	}
	if prefix != prefix.Masked() {
		p.add(field, "%q has bits beyond its length: write %s", value, prefix.Masked())
		return netip.Prefix{}, false
	}
	return prefix, true
}

func (c Config) validateLabels(p *problems) {
	keys := make([]string, 0, len(c.Labels))
	for key := range c.Labels {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if len(key) > 253 || !labelKey.MatchString(key) {
			p.add("labels", "key %q must be a Kubernetes label key", key)
		}
		if value := c.Labels[key]; len(value) > 63 || !labelValue.MatchString(value) {
			p.add("labels."+key, "%q must be a Kubernetes label value", value)
		}
	}
}
