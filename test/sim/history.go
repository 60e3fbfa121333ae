package sim

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hansa-io/hansa/federation"
)

// history is what truly happened to the at-most-one workloads, in the world's own
// time, which no part can see: every start and stop of their pods. The law is that
// the starts and stops of a workload are those of one lock.
//
// A start is called when the agent orders it, and has returned when the pods run; a
// stop is called, and has returned, when no pod runs any more. So nobody may hold the
// lock between: the check is as strict as the world can see.
type history struct {
	running map[held]turn
	ordered map[held]time.Duration // when the start was ordered that has not happened yet
	lives   map[federation.Key]int // of workloads: one ends when its assignment is deleted
	turns   map[life][]porcupine.Operation
}

// turn is one member's running of one workload.
type turn struct {
	epoch federation.Epoch
	life  life
}

// life is a workload from when it is first decided to when nothing of it is left;
// the epochs of the next one begin anew.
type life struct {
	workload federation.Key
	number   int
}

// change of who runs a workload; the input of the model.
type turnover struct {
	member string
	epoch  federation.Epoch
	starts bool
}

func (t turnover) String() string {
	what := "stops"
	if t.starts {
		what = "starts"
	}
	return fmt.Sprintf("%s %s epoch %d", t.member, what, t.epoch)
}

func newHistory() history {
	return history{
		running: map[held]turn{}, ordered: map[held]time.Duration{}, lives: map[federation.Key]int{}, turns: map[life][]porcupine.Operation{},
	}
}

// lock is the model: one member holds it at a time, and nobody under an epoch below
// that of an earlier holder.
var lock = porcupine.Model{
	Init: func() any { return turnover{} },
	Step: func(state, input, _ any) (bool, any) {
		at, in := state.(turnover), input.(turnover)
		if !in.starts {
			return at.member == in.member, turnover{epoch: at.epoch}
		}
		return (at.member == "" || at.member == in.member) && in.epoch >= at.epoch, in
	},
}

// order notes that an agent orders the start of a workload.
func (h *history) order(at time.Duration, who held) {
	if _, ordered := h.ordered[who]; !ordered {
		h.ordered[who] = at
	}
}

// observe compares what runs now with what ran before, and returns an error when
// the history is not that of a lock any more.
func (h *history) observe(now time.Duration, running map[held]federation.Epoch) error {
	for _, who := range sortedHeld(h.running) {
		if _, on := running[who]; !on {
			if err := h.add(h.running[who].life, now, now, turnover{member: who.member, epoch: h.running[who].epoch}); err != nil {
				return err
			}
			delete(h.running, who)
		}
	}
	for _, who := range sortedHeld(running) {
		epoch := running[who]
		was, on := h.running[who]
		if on && was.epoch == epoch {
			continue
		}
		called, ordered := h.ordered[who]
		if !ordered {
			called = now
		}
		delete(h.ordered, who)
		of := life{who.workload, h.lives[who.workload]}
		h.running[who] = turn{epoch: epoch, life: of}
		if err := h.add(of, called, now, turnover{member: who.member, epoch: epoch, starts: true}); err != nil {
			return err
		}
	}
	return nil
}

func (h *history) add(of life, called, returned time.Duration, what turnover) error {
	h.turns[of] = append(h.turns[of], porcupine.Operation{Input: what, Call: int64(called), Return: int64(returned)})
	if !porcupine.CheckOperations(lock, h.turns[of]) {
		return fmt.Errorf("%s: the starts and stops up to %q are not those of one lock: %s", of.workload, what, told(h.turns[of]))
	}
	return nil
}

// told writes a history for people.
func told(ops []porcupine.Operation) string {
	text := ""
	for i, op := range ops {
		if i > 0 {
			text += "; "
		}
		text += fmt.Sprintf("%v in %.2fs–%.2fs", op.Input, time.Duration(op.Call).Seconds(), time.Duration(op.Return).Seconds())
	}
	return text
}
