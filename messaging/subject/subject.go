// Package subject builds and parses every subject, bucket name and record key of
// the bus. No other package writes a dot or a wildcard.
//
// Subjects of members carry the member's account key where the server itself
// puts it (an account token position of the hub's exports), so a member cannot
// speak under another one's key:
//
//	hansa.v1.m.<account>.up.beat            member → hub, core: heartbeat
//	hansa.v1.m.<account>.up.rpc.<method>    member → hub, request: status, facts, export, event, renew
//	hansa.v1.m.<account>.down.beat          hub → member, core: hub beat with masks
//	hansa.v1.m.<account>.down.rpc.<session> hub → member, core: requests
//	hansa.v1.m.<account>.down.work.<ns>.<name>     hub → member, stream W_<account>
//	hansa.v1.m.<account>.down.open.<dialer>.<session>    gateway → member, core: a tunnel is asked for
//	hansa.v1.m.<account>.down.tunnel.<dialer>.<session>  gateway → member, core: its frames
//	hansa.v1.m.<account>.up.tunnel.<dialer>.<session>    member → gateway, core: its frames
//	hansa.v1.hub.<method>                   gateway → hub, request
//	hansa.v1.hub.beat                       hub → gateways, core: hub beat
//	hansa.v1.hub.opinion                    hub → hubs and gateways, core: what one that does not lead hears
//	hansa.v1.api.<request>                  gateway → JetStream, in the place of "$JS.API"
//
// In the member's own account the same subjects are local names without the
// account token: "hansa.v1.up.beat", "hansa.v1.down.>"; the server maps them.
//
// A dialer is the name of a gateway, so that its rights can be limited to its own
// tunnels; a session is 128 random bits.
//
// Tokens that come from users (namespaces, names) are escaped by Token, since
// Kubernetes names may contain dots.
package subject

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

const root = "hansa.v1."

// The buckets, by owner of the writes.
const (
	Workloads   = "workloads"   // desired state, written by gateways: federation.Workload
	Scores      = "scores"      // desired state, written by gateways: federation.Feed
	StatusRules = "statusrules" // desired state, written by gateways: federation.StatusRule
	Members     = "members"     // desired state, written by the hub: federation.MemberSpec
	Assignments = "assignments" // decisions: federation.Assignment
	Health      = "health"      // decisions: federation.HealthRecord
	Operations  = "operations"  // decisions: federation.Operation
	Grants      = "grants"      // decisions: at-most-one grants
	Tokens      = "tokens"      // join tokens, hashed; only the hub reads it
	Leases      = "leases"      // hub leadership
	Facts       = "facts"       // memory, rebuilt from agents: federation.MemberFacts
	Status      = "status"      // memory, rebuilt from agents: federation.WorkStatus
	Exports     = "exports"     // memory, rebuilt from agents: federation.Export
	Events      = "events"      // a log, limited by age and size: federation.Event
)

// Durable lists the buckets that are kept on disk with fsync, in the order in
// which a backup must write them.
func Durable() []string {
	return []string{Workloads, Scores, StatusRules, Members, Assignments, Health, Operations, Grants, Tokens, Leases, Events}
}

// Rebuilt lists the buckets that live in memory and are refilled from agents.
func Rebuilt() []string { return []string{Facts, Status, Exports} }

// Desired lists the buckets that gateways write.
func Desired() []string { return []string{Workloads, Scores, StatusRules} }

// Shown lists the buckets that gateways read.
func Shown() []string {
	return slices.DeleteFunc(append(Durable(), Rebuilt()...), func(name string) bool { return name == Tokens || name == Leases })
}

// WorkBucket is the name of the bucket with the works of one member.
func WorkBucket(account string) string { return "W_" + account }

// Methods that a gateway asks of the hub.
const (
	HubJoin      = "join"
	HubRotate    = "rotate" // of an agent that the bus does not let in any more
	HubToken     = "token"
	HubTokens    = "tokens" // all of them; revoke one
	HubSimulate  = "simulate"
	HubOperation = "operation"
	HubAbort     = "abort"
	HubApprove   = "approve"
	HubFreeze    = "freeze" // and unfreeze
	HubMember    = "member" // cordon, uncordon, labels, leave
	HubDescribe  = "describe"
	HubReadiness = "readiness"
	HubRebalance = "rebalance"
	HubReplay    = "replay"
	HubSealKeys  = "seal"    // how the Secrets of workloads are sealed
	HubBus       = "bus"     // how it is
	HubQueries   = "queries" // what clients asked for, and from where
	HubBackup    = "backup"  // the next part of one
	HubRestore   = "restore" // the next step of one
	HubWrite     = "write"   // records of desired state; every hub answers, leading or not
	HubFollow    = "follow"  // a consumer of a bucket; likewise
)

// HubMethods lists the methods above: all that a gateway may ask.
func HubMethods() []string {
	return []string{
		HubJoin, HubRotate, HubToken, HubTokens, HubSimulate, HubOperation, HubAbort, HubApprove, HubFreeze, HubMember, HubDescribe, HubReadiness,
		HubRebalance, HubReplay, HubSealKeys, HubBus, HubQueries, HubBackup, HubRestore, HubWrite, HubFollow,
	}
}

// Methods that an agent asks of the hub.
const (
	UpFacts  = "facts"
	UpStatus = "status"
	UpExport = "export"
	UpEvent  = "event"
	UpHello  = "hello"  // what the agent holds; the answer tells what it may run
	UpRenew  = "renew"  // at-most-one lease
	UpSeal   = "seal"   // the key that secrets are to be sealed to
	UpProbed = "probed" // what the agent saw of another member, after DownProbe
	// UpRotate asks for a user of the bus with a new key, and UpRotated says which one
	// the agent is connected with.
	UpRotate  = "rotate"
	UpRotated = "rotated"
	UpLeave   = "leave"   // how far the agent has come with DownLeave
	UpImports = "imports" // what the clusterset exports; the answer tells what changed
	// UpCertificate asks for a certificate of the federation, for the agent's own port.
	UpCertificate = "certificate"
)

// Methods that the hub asks of an agent. A stream import carries no reply path,
// so an agent answers with a request of its own.
const (
	DownProbe  = "probe"  // look at another member; answered by UpProbed
	DownRotate = "rotate" // replace the user of the bus now; answered by UpRotate
	DownLeave  = "leave"  // let go of the cluster; answered by UpLeave
)

// Hub is the subject of a gateway's request to the hub.
func Hub(method string) string { return root + "hub." + method }

// HubBeat is the subject on which the hub's leader beats to gateways.
func HubBeat() string { return root + "hub.beat" }

// HubOpinion is the subject on which a hub that does not lead says what it hears of the
// members itself.
func HubOpinion() string { return root + "hub.opinion" }

// FromHubs lists what hubs say to all gateways, and nobody else may.
func FromHubs() []string { return []string{HubBeat(), HubOpinion()} }

// GatewayBeat is the subject on which a gateway says which table it holds.
func GatewayBeat() string { return root + "gateway.beat" }

// Beat is the subject of the beats of one account, seen from the hub; "*" for all.
func Beat(account string) string { return root + "m." + account + ".up.beat" }

// Up is the subject of an agent's requests, seen from the hub; "*" for all accounts.
func Up(account, method string) string { return root + "m." + account + ".up.rpc." + method }

// DownBeat is the subject of the hub's beat to one member, seen from the hub.
func DownBeat(account string) string { return root + "m." + account + ".down.beat" }

// Down is the subject of a request to one member, seen from the hub.
func Down(account, session string) string { return root + "m." + account + ".down.rpc." + session }

// MemberBeat is the agent's own name for Beat.
func MemberBeat() string { return root + "up.beat" }

// MemberUp is the agent's own name for Up.
func MemberUp(method string) string { return root + "up.rpc." + method }

// MemberDownBeat is the agent's own name for DownBeat.
func MemberDownBeat() string { return root + "down.beat" }

// MemberDown is the agent's own name for Down.
func MemberDown(session string) string { return root + "down.rpc." + session }

// WorkPrefix is the prefix of the subjects of a work bucket's stream, seen from
// the hub; a record with key k has the subject WorkPrefix + k.
func WorkPrefix(account string) string { return root + "m." + account + ".down.work." }

// RecordPrefix is the prefix of the subjects of a bucket's stream: the record
// with key k has the subject RecordPrefix(bucket) + k.
func RecordPrefix(bucket string) string { return root + "r." + bucket + "." }

// API is where gateways find JetStream's requests, followed by a dot and the request.
func API() string { return root + "api" }

// IsKey reports whether a text is the key of a record: tokens as Token writes them, with
// dots between them.
func IsKey(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r > 127 || r != '=' && !plain(byte(r)) }) {
			return false
		}
	}
	return true
}

// IsFilter reports whether a text is a pattern of keys, as Matches takes it.
func IsFilter(s string) bool {
	all := strings.Split(s, ".")
	for i, token := range all {
		if token != "*" && (token != ">" || i+1 < len(all)) && !IsKey(token) {
			return false
		}
	}
	return true
}

// AccountOf returns the account token of a member subject as the hub sees it.
func AccountOf(s string) (string, error) {
	rest, ok := strings.CutPrefix(s, root+"m.")
	account, _, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || account == "" {
		return "", fmt.Errorf("subject %q carries no member account", s)
	}
	return account, nil
}

// WorkloadKey is the record key of a workload (also of its assignment and work).
func WorkloadKey(k federation.Key) string { return Token(k.Namespace) + "." + Token(k.Name) }

// ParseWorkloadKey is the inverse of WorkloadKey.
func ParseWorkloadKey(s string) (federation.Key, error) {
	ns, name, ok := strings.Cut(s, ".")
	if !ok || strings.Contains(name, ".") {
		return federation.Key{}, fmt.Errorf("record key %q is not <namespace>.<name>", s)
	}
	n, err := Untoken(ns)
	if err != nil {
		return federation.Key{}, err
	}
	m, err := Untoken(name)
	if err != nil {
		return federation.Key{}, err
	}
	return federation.Key{Namespace: n, Name: m}, nil
}

// MemberKey is the record key of what exists once per member (spec, health, facts).
func MemberKey(member string) string { return Token(member) }

// StatusKey is the record key of the status of one work: the member, then the workload.
func StatusKey(member string, k federation.Key) string { return Token(member) + "." + WorkloadKey(k) }

// ExportKey is the record key of one member's export of a service.
func ExportKey(member string, service federation.Key) string {
	return Token(member) + "." + WorkloadKey(service)
}

// Token makes one subject token of any string: letters, digits, "-" and "_" stay,
// every other byte becomes "=XX" in upper-case hexadecimal. The empty string
// becomes "=".
func Token(s string) string {
	if s == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// Untoken is the inverse of Token; it refuses what Token would not have written.
func Untoken(t string) (string, error) {
	if t == "=" {
		return "", nil
	}
	var b strings.Builder
	for i := 0; i < len(t); i++ {
		if plain(t[i]) {
			b.WriteByte(t[i])
			continue
		}
		var c byte
		if t[i] != '=' || i+2 >= len(t) {
			return "", fmt.Errorf("subject token %q is malformed at byte %d", t, i)
		}
		if _, err := fmt.Sscanf(t[i+1:i+3], "%02X", &c); err != nil {
			return "", fmt.Errorf("subject token %q is malformed at byte %d", t, i)
		}
		b.WriteByte(c)
		i += 2
	}
	if s := b.String(); s != "" && Token(s) == t {
		return s, nil
	}
	return "", fmt.Errorf("subject token %q is not in its shortest form", t)
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// Kind is a word for a subject, for metrics: without accounts, keys and sessions, so
// that there are few.
func Kind(s string) string {
	rest, ok := strings.CutPrefix(s, root)
	if !ok {
		return "other"
	}
	if _, after, ok := strings.Cut(rest, "m."); ok && strings.HasPrefix(rest, "m.") {
		_, rest, _ = strings.Cut(after, ".")
	}
	token := strings.Split(rest, ".")
	switch {
	case len(token) == 2 && (token[0] == "hub" || token[0] == "gateway" || token[1] == "beat"):
		return token[0] + "." + token[1]
	case len(token) == 3 && token[0] == "up" && token[1] == "rpc":
		return "up." + token[2]
	case token[0] == "up", token[0] == "down":
		return token[0]
	case token[0] == "r":
		return "record"
	}
	return "other"
}

// AnyUp matches everything that any member sends, seen from the hub.
func AnyUp() string { return UpOf("*") }

// AnyDown matches everything that is sent to any member, seen from the hub.
func AnyDown() string { return DownOf("*") }

// UpOf matches everything that the member of account sends, seen from the hub.
func UpOf(account string) string { return root + "m." + account + ".up.>" }

// DownOf matches everything that is sent to the member of account, seen from the hub.
func DownOf(account string) string { return root + "m." + account + ".down.>" }

// MemberUpAll is the agent's own name for UpOf.
func MemberUpAll() string { return root + "up.>" }

// MemberDownAll is the agent's own name for DownOf.
func MemberDownAll() string { return root + "down.>" }

// ParseStatusKey is the inverse of StatusKey and of ExportKey.
func ParseStatusKey(s string) (string, federation.Key, error) {
	member, rest, ok := strings.Cut(s, ".")
	if !ok {
		return "", federation.Key{}, fmt.Errorf("record key %q is not <member>.<namespace>.<name>", s)
	}
	name, err := Untoken(member)
	if err != nil {
		return "", federation.Key{}, err
	}
	key, err := ParseWorkloadKey(rest)
	return name, key, err
}

// Matches reports whether a subject or key fits a pattern, in which "*" stands for
// one token and a last ">" for all that follow, at least one.
func Matches(pattern, s string) bool {
	for {
		p, patternRest, morePattern := strings.Cut(pattern, ".")
		token, rest, more := strings.Cut(s, ".")
		switch {
		case p == ">":
			return true
		case p != "*" && p != token, more != morePattern:
			return false
		case !more:
			return true
		}
		pattern, s = patternRest, rest
	}
}
