package configs

import (
	"strings"
	"testing"
)

func TestExternalBus(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"external", `bus: {external: {urls: ["tls://a:1", "tls://b:1"]}}`, ""},
		{"with all", `bus: {external: {urls: ["tls://a:1"], systemCredentials: s.creds}, replicas: 5, placement: {cluster: home, tags: [ssd]}}`, ""},
		{"no scheme", `bus: {external: {urls: ["a:1"]}}`, `bus.external.urls: "a:1" is not tls://HOST:PORT`},
		{"without TLS", `bus: {external: {urls: ["nats://a:1"]}}`, `is not tls://HOST:PORT`},
		{"no port", `bus: {external: {urls: ["tls://a"]}}`, `is not tls://HOST:PORT`},
		{"both", `bus: {external: {urls: ["tls://a:1"]}, cluster: {listen: "h:1"}}`, "keep one of the two"},
		{"two replicas", `bus: {external: {urls: ["tls://a:1"]}, replicas: 2}`, "bus.replicas: 2: a stream has one, three or five"},
		{"advertise", `bus: {external: {urls: ["tls://a:1"]}, advertise: [a]}`, `bus.advertise: "a" is not HOST:PORT`},
		{"replicas of an embedded bus", `bus: {replicas: 3}`, "bus.replicas is of an external bus"},
		{"placement of an embedded bus", `bus: {placement: {cluster: home}}`, "bus.placement is of an external bus"},
		{"credentials of an embedded bus", `bus: {external: {systemCredentials: x}}`, "bus.external.urls must be set with"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := loadHub(t, c.in)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "" && (!h.Bus.Outside() || h.Bus.Replicas == 0):
				t.Errorf("got %+v", h.Bus)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
