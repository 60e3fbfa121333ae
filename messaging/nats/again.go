package nats

import (
	"context"
	"time"
)

// askAgain and makeAgain are the wait before what nobody has answered is asked once more,
// beside those before it. They are short, because whatever asks wants to go on as soon as
// there is an answer, and not so short that a slow store is asked twice for everything: to
// make a consumer costs it more than to read.
const (
	askAgain  = 150 * time.Millisecond
	makeAgain = 500 * time.Millisecond
)

// again calls ask, and again after every such time until one of the calls succeeds, since
// what a stream is asked while it elects its leader is lost, and how long that takes is not
// known. It returns what the first call that succeeds returns, or the last error when none
// is under way. ask is called many times at once, so twice must be as good as once, and the
// answer small: one that only takes long to come would come many times.
func again[T any](ctx context.Context, every time.Duration, ask func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer)
	begin := func() {
		value, err := ask(ctx)
		select {
		case answers <- answer{value, err}:
		case <-ctx.Done():
		}
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	go begin()
	for open := 1; ; {
		select {
		case a := <-answers:
			if open--; a.err == nil || open == 0 {
				return a.value, a.err
			}
		case <-ticks.C:
			open++
			go begin()
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
}
