package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Draw makes a script from a seed: a federation, workloads, a row of faults and
// wishes with time between them, then an end of all faults and the promises.
func Draw(seed uint64) []string {
	d := drawer{rng: rand.New(rand.NewPCG(seed, 0xda3e39cb94b95bdb))}
	d.federation()
	for range 8 + d.rng.IntN(10) {
		d.trouble()
		d.say("advance %dms", 50+d.rng.IntN(6000)/(1+d.rng.IntN(4)))
	}
	d.say("recover")
	d.say("advance 20s") // a hub has to lead that can be asked
	d.say("release")
	if d.left { // what could not be taken back comes to its end
		d.say("advance 30s")
		d.say("release")
	}
	d.say("promises")
	return d.script
}

type drawer struct {
	rng       *rand.Rand
	script    []string
	members   []string
	hubs      []string
	workloads []string
	left      bool // a member was told to leave
}

func (d *drawer) say(format string, args ...any) {
	d.script = append(d.script, fmt.Sprintf(format, args...))
}

func (d *drawer) pick(of []string) string { return of[d.rng.IntN(len(of))] }

func (d *drawer) federation() {
	d.hubs = []string{"h1", "h2", "h3"}[:1+d.rng.IntN(3)]
	for _, h := range d.hubs {
		d.say("hub %s", h)
	}
	d.say("gateway g1")
	regions := []string{"eu-central", "us-east", "ap-northeast"}
	for i := range 2 + d.rng.IntN(4) {
		name := fmt.Sprintf("m%d", i+1)
		d.members = append(d.members, name)
		port := []string{"", "", " noport"}[i%3]
		d.say("member %s region=%s nodes=%d%s", name, regions[i%(2+d.rng.IntN(2))], 1+d.rng.IntN(3), port)
	}
	for _, m := range d.members[1:] { // the first has no ingress
		d.say("ingress %s up", m)
	}
	d.workloads = []string{"shop/web", "shop/once", "shop/cart"}
	d.apply("shop/web", "")
	d.apply("shop/once", " once")
	d.say("advance %dms", 500+d.rng.IntN(4000))
	d.apply("shop/cart", "")
}

func (d *drawer) apply(name, option string) {
	text := fmt.Sprintf("workload %s replicas=%d dwell=%dms%s", name, 1+d.rng.IntN(6), d.rng.IntN(3)*1000, option)
	switch {
	case option != "":
	case d.rng.IntN(4) == 0:
		text += " exclude=" + d.pick(d.members)
	case d.rng.IntN(4) == 0:
		text += " regions=1:2"
	}
	d.say("%s", text)
}

// trouble draws one fault or one wish.
func (d *drawer) trouble() {
	m := d.pick(d.members)
	switch d.rng.IntN(31) {
	case 0, 1, 2:
		d.say("kill %s", m)
	case 3, 4, 5:
		d.say("start %s", m)
	case 6, 7:
		d.say("cut %s %s%s", m, d.peer(m), d.oneway())
	case 8:
		d.say("cut %s %s%s", d.pick(d.hubs), d.pick([]string{storeName, "g1"}), d.oneway())
	case 9, 10, 11:
		d.say("heal")
	case 12:
		d.say("crash %s %dms", m, 50+d.rng.IntN(25000)/(1+d.rng.IntN(10)))
		if len(d.script)%2 == 0 {
			d.say("disconnect %s", m)
		}
	case 13:
		d.say("pause %s %dms", m, 50+d.rng.IntN(2500))
	case 14:
		d.say("pause %s %dms", d.pick(d.hubs), 200+d.rng.IntN(12000))
	case 15:
		d.say("crash %s %dms", d.pick(append(slices.Clone(d.hubs), "g1")), 50+d.rng.IntN(8000))
	case 16, 17, 18, 19, 20, 21:
		d.wish(m)
	case 22:
		d.apply(d.pick([]string{"shop/web", "shop/cart"}), "")
	case 23:
		d.again(m)
	case 25:
		d.leave(m)
	case 24:
		d.say("crash %s %dms", d.pick(d.hubs), 2000+d.rng.IntN(15000))
		d.say("kill %s", m)
	default:
		d.subtle(m)
	}
}

// subtle draws a fault that leaves everything running.
func (d *drawer) subtle(m string) {
	switch d.rng.IntN(10) {
	case 0:
		d.say("loss %s %s %d%%", m, d.peer(m), 1+d.rng.IntN(40))
	case 1:
		d.say("copies %s %s 20%%", m, d.peer(m))
		d.say("delay %s %s %dms", m, d.peer(m), d.rng.IntN(400))
	case 2:
		d.say("clock %s %dm drift=%.1f%%", m, d.rng.IntN(120)-60, float64(d.rng.IntN(21)-10)/10)
	case 3:
		d.say("step %s %ds", m, d.rng.IntN(7200)-3600)
	case 4:
		d.say("sick %s %s %d", m, d.pick(d.workloads), d.rng.IntN(4))
	case 5:
		d.say("ambiguous %s %d%%", d.pick(d.hubs), d.rng.IntN(50))
	case 6:
		d.say("apiserver %s %s", m, d.pick([]string{"down", "up"}))
		if len(d.script)%2 == 0 {
			d.say("ingress %s down", d.pick(d.members))
		}
	case 7:
		d.say("buffer %s %s%s", m, d.pick(d.hubs), d.oneway())
	case 8:
		d.say("blackhole %s", m)
	case 9:
		d.say("forget %s", m)
	}
}

// leave lets a member leave, whatever it and the hubs do meanwhile, and perhaps stay after
// all; another cluster may join under its name, while the first one goes on or not.
func (d *drawer) leave(m string) {
	d.left = true
	how := d.pick([]string{"retain", "delete"})
	d.say("leave %s %s%s", m, how, d.pick([]string{"", "", " force"}))
	for range d.rng.IntN(4) {
		d.say("advance %dms", 10+d.rng.IntN(3000))
		switch d.rng.IntN(7) {
		case 0:
			d.say("crash %s %dms", d.pick(d.hubs), 50+d.rng.IntN(8000))
		case 1:
			d.say("crash %s %dms", m, 50+d.rng.IntN(2500))
		case 2:
			d.say("kill %s", m)
			d.say("advance %dms", 500+d.rng.IntN(6000))
			d.say("start %s", m)
		case 3:
			d.say("leave %s cancel", m)
		case 4:
			d.say("cut %s %s%s", m, d.peer(m), d.oneway())
		case 5:
			d.say("leave %s %s", m, d.pick([]string{"retain force", "delete force", "forget"}))
		case 6:
			d.say("remake %s%s", m, d.pick([]string{"", " beside"}))
		}
	}
}

// again lets a member be lost, leave, and be made anew under its name.
func (d *drawer) again(m string) {
	d.say("%s %s", d.pick([]string{"kill", "kill", "blackhole"}), m)
	d.say("advance %dms", d.pause())
	d.say("leave %s forget", m)
	d.say("advance %dms", 100+d.rng.IntN(3000))
	d.say("remake %s%s", m, d.pick([]string{"", " beside"}))
}

// pause is long enough for a verdict, or a lease, or not.
func (d *drawer) pause() int { return 1000 + d.rng.IntN(15000) }

func (d *drawer) peer(m string) string {
	return d.pick(append(append(slices.Clone(d.hubs), storeName), d.pick(d.members)))
}

func (d *drawer) oneway() string { return d.pick([]string{"", " oneway"}) }

// wish draws what an operator, or a user, asks for.
func (d *drawer) wish(m string) {
	scope := "member=" + m
	switch d.rng.IntN(16) {
	case 0, 1:
		d.say("cordon %s", m)
	case 2:
		d.say("uncordon %s", m)
	case 3:
		d.say("drain %s", m)
	case 4, 5:
		d.say("drill %s hold=1s level=%s", scope, d.pick([]string{"L3", "L4", "L5a", "L5b", "L5b"}))
	case 6:
		d.say("delete %s", d.pick(d.workloads))
	case 7:
		d.say("relocate %s", d.pick([]string{scope, "workload=" + d.pick(d.workloads)}))
	case 8:
		d.say("%s", d.pick([]string{"freeze", "unfreeze"}))
	case 9:
		d.say("%s", d.pick([]string{"unfence " + scope, "release"}))
	case 10:
		d.say("confirm %s", m)
	default:
		d.say("%s %s", d.pick([]string{"shift", "evacuate", "failover", "failback", "fence"}), scope)
	}
}

// Play runs a script in a world of that seed, and returns the first error and
// what identifies the run. The transcript is in the world.
func Play(script []string, seed uint64, hooks Hooks) (*World, error) {
	s := NewScript(seed, hooks)
	for _, line := range script {
		if err := s.Run(line); err != nil {
			return s.World, fmt.Errorf("%s: %w", line, err)
		}
	}
	return s.World, nil
}

// Shrink takes away commands while the script still fails in the same way, and
// returns what is left.
func Shrink(script []string, seed uint64, hooks Hooks) []string {
	_, err := Play(script, seed, hooks)
	kind := kindOf(err)
	for size := max(1, len(script)/4); size >= 1; size /= 2 {
		for at := 0; at+size <= len(script); {
			less := slices.Delete(slices.Clone(script), at, at+size)
			if slices.ContainsFunc(script[at:at+size], fixed) {
				at++
				continue
			}
			if _, err := Play(less, seed, hooks); err != nil && kindOf(err) == kind {
				script = less
			} else {
				at += size
			}
		}
	}
	return script
}

// fixed are commands without which every script fails.
func fixed(line string) bool {
	return line == "recover" || line == "release" || line == "promises" || strings.HasPrefix(line, "hub ")
}

// kindOf names a law or a promise, or says what else went wrong.
func kindOf(err error) string {
	var broken *Broken
	var promise *Unkept
	switch {
	case err == nil:
		return ""
	case errors.As(err, &broken):
		return broken.Law
	case errors.As(err, &promise):
		return promise.Promise
	}
	return err.Error()
}

// Scenario writes a script as a file for testdata.
func Scenario(about string, seed uint64, script []string) string {
	return fmt.Sprintf("# %s\nseed %d\n%s\n----\n", about, seed, strings.Join(script, "\n"))
}
