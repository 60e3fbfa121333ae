package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/route"
)

// Script runs commands in one world.
type Script struct{ World *World }

// NewScript returns an interpreter in a new world with a store in it.
func NewScript(seed uint64, hooks Hooks) *Script {
	w := NewWorld(seed, hooks)
	w.AddStore()
	return &Script{World: w}
}

// words of a command: those without "=" and those with.
type words struct {
	plain []string
	named map[string]string
}

// at returns the i-th plain word, empty when there are fewer.
func (a words) at(i int) string {
	if i < len(a.plain) {
		return a.plain[i]
	}
	return ""
}

func (a words) has(w string) bool { return slices.Contains(a.plain, w) }

func (a words) number(name string, fallback int64) int64 {
	if n, err := strconv.ParseInt(a.named[name], 10, 64); err == nil {
		return n
	}
	return fallback
}

func (a words) list(name string) []string {
	if a.named[name] == "" {
		return nil
	}
	return strings.Split(a.named[name], ",")
}

// commands maps each command to what it does:
//
//	hub NAME                        start a hub process
//	gateway NAME
//	member NAME region=R [nodes=N]  it joins and starts
//	workload NS/NAME replicas=N [names=A,B] [exclude=A] [dwell=D] [regions=MIN:MAX] [once]
//	delete NS/NAME
//	advance D                       run for D
//	settle                          run until nothing was said for 5 s, at most 5 min
//	cut A B [oneway]                nothing passes (oneway: from A to B)
//	loss A B P% · delay A B D · copies A B P%    both directions
//	heal                            every link is well again
//	kill NAME · start NAME          a whole process: a hub, a gateway, or a member with its cluster
//	crash NAME D                    the agent only, for D; its cluster goes on
//	recover                         heal, start every process, uncordon everybody
//	pause NAME D                    the process does not run for D
//	clock NAME D [drift=P%]         its clocks are D ahead and run P % fast, from its next life on
//	cordon NAME · uncordon NAME · confirm NAME
//	drill SCOPE [level=L] [hold=D]  ask for a drill
//	shift SCOPE · failback SCOPE    ask for the operation
//	freeze · unfreeze               stop automation, and let it act again
//	promises                        run until all promises hold, at most 5 min
//	show                            what runs where
//	answers                         which members each gateway answers with
//	records BUCKET                  what the store holds there
var commands map[string]func(*World, words) error

func init() {
	commands = map[string]func(*World, words) error{
		"hub": func(w *World, a words) error { w.AddHub(a.at(0)); return nil },
		"gateway": func(w *World, a words) error {
			w.AddGateway(a.at(0))
			return nil
		},
		"member": func(w *World, a words) error {
			w.AddMember(a.at(0), a.named["region"], a.number("nodes", 3))
			return nil
		},
		"workload": workload,
		"delete":   func(w *World, a words) error { w.write("workloads", a.at(0), nil); return nil },
		"advance":  func(w *World, a words) error { return w.Advance(a.duration(0)) },
		"settle":   func(w *World, a words) error { return w.Settle(5*time.Second, 5*time.Minute) },
		"cut": func(w *World, a words) error {
			return w.fault(a, func(f *Fault) { f.Cut = true })
		},
		"loss": func(w *World, a words) error {
			return w.fault(a, func(f *Fault) { f.Loss = a.share(2) })
		},
		"copies": func(w *World, a words) error {
			return w.fault(a, func(f *Fault) { f.Duplicate = a.share(2) })
		},
		"delay": func(w *World, a words) error {
			return w.fault(a, func(f *Fault) { f.Delay = a.duration(2) })
		},
		"heal":  func(w *World, a words) error { clear(w.links); return nil },
		"kill":  func(w *World, a words) error { return w.onProcess(a, w.KillMember, w.Down) },
		"start": func(w *World, a words) error { return w.onProcess(a, w.StartMember, w.Up) },
		"crash": func(w *World, a words) error {
			crash := func(n string) { w.crash(n, a.duration(1)) }
			return w.onProcess(a, crash, crash)
		},
		"recover": func(w *World, a words) error { w.recover(); return nil },
		"pause": func(w *World, a words) error {
			return w.onProcess(a, func(n string) { w.Pause(n, a.duration(1)) }, func(n string) { w.Pause(n, a.duration(1)) })
		},
		"clock": func(w *World, a words) error {
			return w.onProcess(a, func(n string) { w.members[n].offset, w.members[n].drift = a.duration(1), percent(a.named["drift"]) }, nil)
		},
		"cordon":   memberChange("cordon"),
		"uncordon": memberChange("uncordon"),
		"confirm":  memberChange("confirm"),
		"drill":    operation("drill", federation.Drill),
		"shift":    operation("shift", federation.Live),
		"failback": operation("failback", federation.Live),
		"freeze":   func(w *World, _ words) error { w.Request("freeze", freeze{true}); return nil },
		"unfreeze": func(w *World, _ words) error { w.Request("unfreeze", freeze{false}); return nil },
		"promises": func(w *World, a words) error { return w.Converge(5 * time.Minute) },
		"show":     func(w *World, a words) error { w.show(); return nil },
		"answers":  func(w *World, a words) error { w.sayAnswers(); return nil },
		"records":  func(w *World, a words) error { w.sayRecords(a.at(0)); return nil },
	}
}

// Run runs one command. The error is a wrong command, a broken law or a promise
// that does not hold.
func (s *Script) Run(line string) error {
	fields := strings.Fields(line)
	do, ok := commands[fields[0]]
	if !ok {
		return fmt.Errorf("command %q is none of sim's", line)
	}
	a := words{named: map[string]string{}}
	for _, f := range fields[1:] {
		// A scope is written "region=eu", so only known options have names.
		if k, v, ok := strings.Cut(f, "="); ok && !slices.Contains(scopes, k) || ok && fields[0] == "member" {
			a.named[k] = v
		} else {
			a.plain = append(a.plain, f)
		}
	}
	if err := do(s.World, a); err != nil {
		return err
	}
	return s.World.Check()
}

var scopes = []string{"region", "zone", "member", "workload"}

// duration reads the i-th word; one that is none is 0.
func (a words) duration(i int) time.Duration {
	d, _ := time.ParseDuration(a.at(i))
	return d
}

// share reads the i-th word, "5%".
func (a words) share(i int) float64 { return percent(a.at(i)) }

func percent(text string) float64 {
	p, _ := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	return p / 100
}

func (w *World) fault(a words, change func(*Fault)) error {
	links := []Link{{a.at(0), a.at(1)}, {a.at(1), a.at(0)}}
	if a.has("oneway") {
		links = links[:1]
	}
	for _, l := range links {
		if w.nodes[l.From] == nil || w.nodes[l.To] == nil {
			return fmt.Errorf("no link from %q to %q", l.From, l.To)
		}
		f := w.links[l]
		change(&f)
		w.links[l] = f
	}
	return nil
}

// onProcess does one thing to a member and another to any other process.
func (w *World) onProcess(a words, member, other func(string)) error {
	name := a.at(0)
	switch {
	case w.members[name] != nil:
		member(name)
	case w.nodes[name] != nil && other != nil && name != storeName:
		other(name)
	default:
		return fmt.Errorf("%q cannot be told to do that", name)
	}
	return nil
}

// crash ends a process and starts it again after d.
func (w *World) crash(name string, d time.Duration) {
	w.Down(name)
	life := w.nodes[name].life
	w.Later(d, func() {
		if w.nodes[name].life == life {
			w.Up(name)
		}
	})
}

// recover ends every fault.
func (w *World) recover() {
	clear(w.links)
	for _, name := range w.names {
		if w.members[name] != nil {
			w.StartMember(name)
		} else {
			w.Up(name)
		}
		w.nodes[name].paused = time.Time{}
		w.refresh(w.nodes[name])
	}
	for _, name := range w.memberNames() {
		e := w.records("members")[name]
		if spec, ok := e.Value.(federation.MemberSpec); ok && spec.Cordoned {
			spec.Cordoned, spec.Draining = false, false
			w.write("members", name, spec)
		}
	}
}

func workload(w *World, a words) error {
	k, err := federation.ParseKey(a.at(0))
	if err != nil {
		return err
	}
	var p federation.PlacementSpec
	p.Members.Names, p.Members.Exclude = a.list("names"), a.list("exclude")
	p.Failover.Dwell = a.named["dwell"]
	if low, high, ok := strings.Cut(a.named["regions"], ":"); ok {
		c := federation.SpreadConstraint{By: "region"}
		c.Min, _ = strconv.ParseInt(low, 10, 64)
		c.Max, _ = strconv.ParseInt(high, 10, 64)
		p.Spread = []federation.SpreadConstraint{c}
	}
	if a.has("once") {
		p.Failover.Continuity = federation.AtMostOne
	}
	w.Apply(k, a.number("replicas", 1), p)
	return nil
}

func memberChange(action string) func(*World, words) error {
	return func(w *World, a words) error {
		w.Request(action+" "+a.at(0), command{federation.MemberChange{Member: a.at(0), Action: action, Who: "client"}})
		return nil
	}
}

func operation(verb string, mode federation.Mode) func(*World, words) error {
	return func(w *World, a words) error {
		scope, err := federation.ParseScope(a.at(0))
		if err != nil {
			return err
		}
		r := federation.OperationRequest{Verb: verb, Scope: scope, Mode: mode, Initiator: "client", Level: a.named["level"]}
		if r.Level == "" && mode == federation.Drill {
			r.Level = "L5b"
		}
		r.Hold, _ = time.ParseDuration(a.named["hold"])
		w.Request(verb+" "+a.at(0), operate{r})
		return nil
	}
}

// show says what runs where, and how each member is seen.
func (w *World) show() {
	h, err := w.theLeader()
	for _, name := range w.memberNames() {
		line := name
		if err == nil {
			r := h.m.HealthOf(name)
			line += fmt.Sprintf(": %v", r.Health)
			if r.Verdict != "" && r.Verdict != r.Health.String() {
				line += " [" + r.Verdict + "]"
			}
		}
		c := w.members[name].cluster
		for _, k := range c.keys() {
			l := c.landed[k]
			line += fmt.Sprintf("; %s epoch %d: %d/%d ready", k, l.work.Epoch, l.ready, l.work.Replicas)
		}
		w.say("%s", line)
	}
}

// sayAnswers says which members each gateway answers with, and in which state
// their endpoints are unless they are fresh.
func (w *World) sayAnswers() {
	for _, name := range w.names {
		g, ok := w.nodes[name].part.(*gateway)
		if !ok {
			continue
		}
		said := map[string]string{}
		for _, e := range g.endpoints() {
			said[e.Member] = e.Member
			if e.State != route.Fresh {
				said[e.Member] += " (" + string(e.State) + ")"
			}
		}
		w.say("%s answers with %s", name, cmp.Or(strings.Join(slices.Sorted(maps.Values(said)), ", "), "nobody"))
	}
}

// sayRecords lists the keys of a bucket that have a value.
func (w *World) sayRecords(bucket string) {
	var keys []string
	for name, e := range w.records(bucket) {
		if e.Value != nil {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	w.say("%s: %s", bucket, cmp.Or(strings.Join(keys, ", "), "none"))
}
