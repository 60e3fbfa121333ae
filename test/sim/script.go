package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
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
	w.heal()
	clear(w.store().unsure)
	for _, name := range w.memberNames() {
		on := w.members[name]
		on.cluster.serve()
		on.cluster.cure()
		if w.records("members")[name].Value == nil {
			w.Remake(name, false)
		}
	}
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
