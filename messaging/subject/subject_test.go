package subject

import (
	"regexp"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

// TestSubjects pins every name on the wire: other versions depend on them.
func TestSubjects(t *testing.T) {
	key := federation.Key{Namespace: "shop", Name: "web.v2"}
	for want, got := range map[string]string{
		"hansa.v1.hub.join":            Hub(HubJoin),
		"hansa.v1.hub.beat":            HubBeat(),
		"hansa.v1.hub.opinion":         HubOpinion(),
		"hansa.v1.gateway.beat":        GatewayBeat(),
		"hansa.v1.m.AB.up.beat":        Beat("AB"),
		"hansa.v1.m.*.up.beat":         Beat("*"),
		"hansa.v1.m.AB.up.rpc.hello":   Up("AB", UpHello),
		"hansa.v1.m.AB.down.beat":      DownBeat("AB"),
		"hansa.v1.m.AB.down.rpc.probe": Down("AB", DownProbe),
		"hansa.v1.up.beat":             MemberBeat(),
		"hansa.v1.up.rpc.renew":        MemberUp(UpRenew),
		"hansa.v1.down.beat":           MemberDownBeat(),
		"hansa.v1.down.rpc.probe":      MemberDown(DownProbe),
		"hansa.v1.m.AB.down.work.":     WorkPrefix("AB"),
		"hansa.v1.r.assignments.":      RecordPrefix(Assignments),
		"hansa.v1.m.*.up.>":            AnyUp(),
		"hansa.v1.m.*.down.>":          AnyDown(),
		"hansa.v1.m.AB.up.>":           UpOf("AB"),
		"hansa.v1.m.AB.down.>":         DownOf("AB"),
		"hansa.v1.up.>":                MemberUpAll(),
		"hansa.v1.down.>":              MemberDownAll(),
		"hansa.v1.m.AB.down.open.U.5":  Tunnel{"AB", "U", "5"}.Open(),
		"hansa.v1.m.*.down.tunnel.U.*": Tunnel{"*", "U", "*"}.Down(),
		"hansa.v1.m.AB.up.tunnel.U.5":  Tunnel{"AB", "U", "5"}.Up(),
		"hansa.v1.down.open.*.*":       Tunnel{Dialer: "*", Session: "*"}.Open(),
		"hansa.v1.up.tunnel.U.5":       Tunnel{Dialer: "U", Session: "5"}.Up(),
		"W_AB":                         WorkBucket("AB"),
		"shop.web=2Ev2":                WorkloadKey(key),
		"tokyo":                        MemberKey("tokyo"),
		"tokyo.shop.web=2Ev2":          StatusKey("tokyo", key),
		"a=2Eb.shop.web=2Ev2":          ExportKey("a.b", key),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	seen := map[string]bool{}
	for _, b := range append(Durable(), Rebuilt()...) {
		if seen[b] || Token(b) != b {
			t.Errorf("bucket %q is listed twice or is no token", b)
		}
		seen[b] = true
	}
}

func TestAccountOf(t *testing.T) {
	for in, want := range map[string]string{
		Beat("AB"): "AB", Up("AB", UpHello): "AB", DownBeat("AB"): "AB",
		"": "", "hansa.v1.m.": "", "hansa.v1.m.AB": "", "hansa.v1.m..up": "", "hansa.v1.hub.beat": "", "x.hansa.v1.m.AB.up": "",
	} {
		got, err := AccountOf(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func TestParseOpen(t *testing.T) {
	session := "0123456789abcdef0123456789abcdef"
	for _, want := range []Tunnel{{"AB", "U", session}, {"", "U", session}} {
		if got, err := ParseOpen(want.Open()); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", want.Open(), got, err)
		}
	}
	for _, in := range []string{
		"", "hansa.v1.down.open", "hansa.v1.down.open.U", "hansa.v1.down.open.U.5", "hansa.v1.down.open.." + session, "hansa.v1.down.open.*." + session,
		"hansa.v1.down.open.U." + session + ".x", "hansa.v1.down.tunnel.U." + session, "hansa.v1.m..down.open.U." + session, "x.down.open.U." + session,
		"hansa.v1.down.open.U." + strings.ToUpper(session),
	} {
		if got, err := ParseOpen(in); err == nil {
			t.Errorf("%q is read as %+v", in, got)
		}
	}
}

func TestUntokenRefuses(t *testing.T) {
	for _, in := range []string{"", "a.b", "=", "==", "=2", "=2e", "=41", "a=", "=ZZ", "a b", "*", ">", "=00=", "é"} {
		got, err := Untoken(in)
		if in == "=" {
			if got != "" || err != nil {
				t.Errorf("the empty string is not read back: %q, %v", got, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%q is read as %q", in, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{"", "a", "a.b.c", "a.=2", "=ZZ.b", "."} {
		if k, err := ParseWorkloadKey(in); err == nil {
			t.Errorf("ParseWorkloadKey(%q) is %s", in, k)
		}
	}
	for _, in := range []string{"", "m", "m.a", "m.a.b.c", "=2.a.b", "m.a.=2"} {
		if m, k, err := ParseStatusKey(in); err == nil {
			t.Errorf("ParseStatusKey(%q) is %s %s", in, m, k)
		}
	}
}

// token is what NATS takes as one literal token, and a key as a part of a subject.
var token = regexp.MustCompile(`^[-A-Za-z0-9_=]+$`)

// FuzzToken: any string becomes one token and comes back, so two strings never
// share a token.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "web", "a.b", "*", ">", " ", "=", "=41", "\x00", "é", "a/b", strings.Repeat(".", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Token(s)
		if !token.MatchString(got) {
			t.Fatalf("%q becomes %q", s, got)
		}
		if back, err := Untoken(got); err != nil || back != s {
			t.Fatalf("%q comes back as %q, %v", s, back, err)
		}
		// What the parser takes, the builder writes.
		if plain, err := Untoken(s); err == nil && Token(plain) != s {
			t.Fatalf("%q is read as %q, which is written %q", s, plain, Token(plain))
		}
	})
}

// FuzzKeys: keys come back, and what a parser takes a builder writes.
func FuzzKeys(f *testing.F) {
	f.Add("shop", "web", "tokyo", "tokyo.shop.web")
	f.Add("", "", "", "=.=.=")
	f.Add("a.b", "*", ">", "a..b")
	f.Fuzz(func(t *testing.T, namespace, name, member, raw string) {
		k := federation.Key{Namespace: namespace, Name: name}
		if back, err := ParseWorkloadKey(WorkloadKey(k)); err != nil || back != k {
			t.Fatalf("%v comes back as %v, %v", k, back, err)
		}
		m, back, err := ParseStatusKey(StatusKey(member, k))
		if err != nil || m != member || back != k {
			t.Fatalf("%q %v comes back as %q %v, %v", member, k, m, back, err)
		}
		if m, k, err := ParseStatusKey(raw); err == nil && StatusKey(m, k) != raw {
			t.Fatalf("%q is read as %q %v", raw, m, k)
		}
	})
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{">", "a", true},
		{">", "a.b", true},
		{"a.>", "a.b.c", true},
		{"a.>", "a", false},
		{"a.>", "b.a", false},
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"*.b", "a.b", true},
		{"*", "a", true},
		{"*", "a.b", false},
		{"a.b", "a.b", true},
		{"a.b", "a", false},
		{"a", "a.b", false},
		{"a", "ab", false},
	} {
		if got := Matches(c.pattern, c.s); got != c.want {
			t.Errorf("%q fits %q: %v", c.s, c.pattern, got)
		}
	}
}

// TestKind: a kind tells what a message is for, and nothing of who and which.
func TestKind(t *testing.T) {
	for s, want := range map[string]string{
		Hub(HubJoin): "hub.join", HubBeat(): "hub.beat", HubOpinion(): "hub.opinion", GatewayBeat(): "gateway.beat",
		Beat("AKEY"): "up.beat", MemberBeat(): "up.beat", Up("*", UpFacts): "up.facts", MemberUp(UpFacts): "up.facts",
		DownBeat("AKEY"): "down.beat", Down("AKEY", "session"): "down", MemberDown("session"): "down", MemberDownAll(): "down",
		RecordPrefix(Workloads) + "a.b": "record", WorkPrefix("AKEY") + "a.b": "down", "$JS.API.INFO": "other", root: "other", "": "other",
	} {
		if got := Kind(s); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
}
