package grpcserver

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/route"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

const apiVersion = "hansa.io/v1alpha1"

func toTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// toMillis is whole milliseconds, as JSON numbers are doubles.
func toMillis(d time.Duration) float64 { return float64(d.Milliseconds()) }

// toAge is −1 for what never happened.
func toAge(d time.Duration) float64 {
	if d < 0 {
		return -1
	}
	return toMillis(d)
}

func toPlace(p federation.Place) *gatewayv1.Place {
	return &gatewayv1.Place{
		Region: p.Region, Zone: p.Zone, Provider: p.Provider, Jurisdiction: p.Jurisdiction,
		Latitude: p.Latitude, Longitude: p.Longitude,
	}
}

func fromPlace(p *gatewayv1.Place) federation.Place {
	return federation.Place{
		Region: p.GetRegion(), Zone: p.GetZone(), Provider: p.GetProvider(), Jurisdiction: p.GetJurisdiction(),
		Latitude: p.GetLatitude(), Longitude: p.GetLongitude(),
	}
}

func toTier(t route.Tier) *gatewayv1.Tier {
	out := &gatewayv1.Tier{Region: t.Region, LatencyMs: toMillis(t.Latency)}
	for i, e := range t.Endpoints {
		if i == 0 {
			out.Member = e.Member
		} else if e.Member != out.GetMember() {
			out.Member = ""
		}
		out.Endpoints = append(out.Endpoints, &gatewayv1.ResolvedEndpoint{
			Address: e.Address, Port: e.Port, PortName: e.PortName, Protocol: e.Protocol, Member: e.Member, Region: e.Region,
			Zone: e.Zone, State: string(e.State), AgeMs: toMillis(e.Age), Weight: 1, ObservedAt: toTime(e.ObservedAt),
		})
	}
	return out
}

func hasPort(ports []federation.Port, port string) bool {
	for _, p := range ports {
		if p.Name == port || strconv.Itoa(int(p.Port)) == port {
			return true
		}
	}
	return false
}

func portList(ports []federation.Port) string {
	var out []string
	for _, p := range ports {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s", p.Port, p.Name)))
	}
	return strings.Join(out, ", ")
}

// quantities writes resources as Kubernetes quantities.
func quantities(r federation.Resources) map[string]string {
	out := map[string]string{
		"cpu": cores(r.MilliCPU), "memory": bytesOf(r.MemoryBytes), "pods": strconv.FormatInt(r.Pods, 10),
	}
	for name, n := range r.Extended {
		out[name] = strconv.FormatInt(n, 10)
	}
	return out
}

func cores(milli int64) string {
	if milli%1000 == 0 {
		return strconv.FormatInt(milli/1000, 10)
	}
	return strconv.FormatInt(milli, 10) + "m"
}

func bytesOf(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}} {
		if n >= unit.size && n%unit.size == 0 {
			return strconv.FormatInt(n/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}
