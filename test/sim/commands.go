package sim

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// commands maps each command to what it does. The federation:
//
//	hub NAME                        start a hub process
//	gateway NAME
//	server NAME                     a server of the bus: from then on beats go through each of them
//	member NAME region=R [nodes=N] [noport]  it joins and starts; noport: its agent cannot be asked beside the bus
//	remake NAME [beside]            a new cluster joins under the name of one that left, which ends, or goes on cut off
//	workload NS/NAME replicas=N [names=A,B] [exclude=A] [dwell=D] [regions=MIN:MAX] [once]
//	delete NS/NAME
//
// Faults:
//
//	cut A B [oneway]                nothing passes (oneway: from A to B)
//	loss A B P% · delay A B D · copies A B P%    both directions
//	buffer A B [oneway]             what is sent is kept, and comes all at once when the link heals
//	blackhole NAME                  nothing passes to or from the node
//	heal                            every link is well again
//	kill NAME · start NAME          a whole process: a hub, a gateway, or a member with its cluster
//	crash NAME D                    the agent only, for D; its cluster goes on
//	pause NAME D                    the process does not run for D
//	apiserver NAME down|up          of a member; its nodes go on
//	disconnect NAME                 the bus tells that a connection of a member has ended
//	ingress NAME down|up            where the users of a member reach it; from now on it has one
//	sick NAME NS/NAME N             so many replicas there are not ready, until it is 0
//	clock NAME D [drift=P%]         its clocks are D ahead and run P % fast, from its next life on
//	step NAME D                     the wall clock of a member jumps
//	vanish NAME NS/NAME             somebody deletes what the member runs of it
//	forget NAME                     the agent's store of works is lost
//	ambiguous NAME P%               so many writes of the node get no answer, half of them written
//	backup · restore                copy the store, and put the copy in its place
//	recover                         heal, start every process, uncordon everybody
//
// Wishes:
//
//	cordon NAME · uncordon NAME · drain NAME · confirm NAME · leave NAME retain|delete|cancel|forget [force]
//	drill SCOPE [level=L] [hold=D] · shift SCOPE · evacuate SCOPE · failover SCOPE · failback SCOPE · fence SCOPE
//	relocate SCOPE [to=NAME]
//	unfence SCOPE                   end the fence of exactly that scope
//	freeze · unfreeze               stop automation, and let it act again
//	release                         end whatever operators left standing
//
// Time, and what is said:
//
//	advance D                       run for D
//	settle                          run until nothing was said for 5 s, at most 5 min
//	promises                        run until all promises hold, at most 5 min
//	show                            what runs where
//	answers                         which members each gateway answers with
//	records BUCKET                  what the store holds there
var commands map[string]func(*World, words) error

func init() {
	commands = map[string]func(*World, words) error{}
	for _, some := range []map[string]func(*World, words) error{parts(), faults(), wishes(), talk()} {
		for name, do := range some {
			commands[name] = do
		}
	}
}

// always makes a command of what cannot go wrong.
func always(do func(*World, words)) func(*World, words) error {
	return func(w *World, a words) error {
		do(w, a)
		return nil
	}
}

func parts() map[string]func(*World, words) error {
	return map[string]func(*World, words) error{
		"hub":     always(func(w *World, a words) { w.AddHub(a.at(0)) }),
		"gateway": always(func(w *World, a words) { w.AddGateway(a.at(0)) }),
		"server":  always(func(w *World, a words) { w.AddServer(a.at(0)) }),
		"member": always(func(w *World, a words) {
			place := federation.Place{Region: a.named["region"]}
			w.join(a.at(0), &member{nodes: a.number("nodes", 3), noPort: a.has("noport"), spec: federation.MemberSpec{Place: place}})
		}),
		"remake": func(w *World, a words) error {
			return w.onProcess(a, func(name string) { w.Remake(name, a.has("beside")) }, nil)
		},
		"workload": workload,
		"delete":   always(func(w *World, a words) { w.write("workloads", a.at(0), nil) }),
	}
}

func faults() map[string]func(*World, words) error {
	onLink := func(change func(words, *Fault)) func(*World, words) error {
		return func(w *World, a words) error { return w.fault(a, func(f *Fault) { change(a, f) }) }
	}
	onMember := func(change func(words, *member)) func(*World, words) error {
		return func(w *World, a words) error {
			return w.onProcess(a, func(n string) { change(a, w.members[n]) }, nil)
		}
	}
	return map[string]func(*World, words) error{
		"cut":       onLink(func(_ words, f *Fault) { f.Cut = true }),
		"loss":      onLink(func(a words, f *Fault) { f.Loss = a.share(2) }),
		"copies":    onLink(func(a words, f *Fault) { f.Duplicate = a.share(2) }),
		"delay":     onLink(func(a words, f *Fault) { f.Delay = a.duration(2) }),
		"buffer":    onLink(func(_ words, f *Fault) { f.Buffer = true }),
		"blackhole": blackhole,
		"heal":      always(func(w *World, _ words) { w.heal() }),
		"kill":      func(w *World, a words) error { return w.onProcess(a, w.KillMember, w.Down) },
		"start":     func(w *World, a words) error { return w.onProcess(a, w.StartMember, w.Up) },
		"crash": func(w *World, a words) error {
			crash := func(n string) { w.crash(n, a.duration(1)) }
			return w.onProcess(a, crash, crash)
		},
		"pause": func(w *World, a words) error {
			pause := func(n string) { w.Pause(n, a.duration(1)) }
			return w.onProcess(a, pause, pause)
		},
		"apiserver": onMember(func(a words, on *member) {
			if a.has("down") {
				on.cluster.deaf = true
			} else {
				on.cluster.deaf = false
			}
		}),
		"ingress":    onMember(func(a words, on *member) { on.cluster.ingress, on.cluster.shut = true, a.has("down") }),
		"disconnect": always(func(w *World, a words) { w.disconnect(a.at(0)) }),
		"sick":       sick,
		"clock":      onMember(func(a words, on *member) { on.offset, on.drift = a.duration(1), percent(a.named["drift"]) }),
		"step":       onMember(func(a words, on *member) { on.stepped += a.duration(1) }),
		"vanish":     vanish,
		"forget":     onMember(func(_ words, on *member) { on.works = works{} }),
		"ambiguous":  always(func(w *World, a words) { w.store().unsure[a.at(0)] = a.share(1) }),
		"backup":     always(func(w *World, _ words) { w.store().backup() }),
		"restore":    always(func(w *World, _ words) { w.store().restore() }),
		"recover":    always(func(w *World, _ words) { w.recover() }),
	}
}

func wishes() map[string]func(*World, words) error {
	all := map[string]func(*World, words) error{
		"unfence":  unfence,
		"freeze":   always(func(w *World, _ words) { w.Request("freeze", freeze{true}) }),
		"unfreeze": always(func(w *World, _ words) { w.Request("unfreeze", freeze{false}) }),
		"release":  always(func(w *World, _ words) { w.release() }),
	}
	for _, action := range []string{"cordon", "uncordon", "drain", "confirm", "leave"} {
		all[action] = memberChange(action)
	}
	for _, verb := range []string{"drill", "shift", "evacuate", "relocate", "failover", "failback", "fence"} {
		all[verb] = operation(verb)
	}
	return all
}

func talk() map[string]func(*World, words) error {
	return map[string]func(*World, words) error{
		"advance":  func(w *World, a words) error { return w.Advance(a.duration(0)) },
		"settle":   func(w *World, _ words) error { return w.Settle(5*time.Second, 5*time.Minute) },
		"promises": func(w *World, _ words) error { return w.Converge(5 * time.Minute) },
		"show":     always(func(w *World, _ words) { w.show() }),
		"answers":  always(func(w *World, _ words) { w.sayAnswers() }),
		"records":  always(func(w *World, a words) { w.sayRecords(a.at(0)) }),
	}
}
