package nats

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// mostOrders bounds how many orders are handed on together.
const mostOrders = 256

// Works returns the agent's own works: the durable consumer that the hub made.
func (c *Conn) Works() messaging.Orders { return works{c} }

type works struct{ conn *Conn }

// Follow reads until ctx ends or handle fails.
func (w works) Follow(ctx context.Context, handle func([]messaging.Change) error) error {
	o := orders{works: w, handle: handle, reader: &reader{stream: subject.WorkBucket(w.conn.account)}}
	return w.conn.readAgain(ctx, o.reader, o.read)
}

// orders is what survives a consumer that fails.
type orders struct {
	works
	handle func([]messaging.Change) error
	reader *reader
	synced bool
}

// read follows the consumer until it fails.
func (o *orders) read(ctx context.Context) error {
	consumer, err := o.conn.js.Consumer(bounded(ctx), subject.WorkBucket(o.conn.account), o.conn.account)
	if err != nil {
		return wrap(err, "follow works")
	}
	info := consumer.CachedInfo()
	waiting := int(info.NumPending) + info.NumAckPending
	o.reader.has(waiting, time.Now())
	if waiting == 0 {
		if err := o.sync(); err != nil {
			return err
		}
	}
	messages, err := consumer.Messages(jetstream.PullHeartbeat(idleHeartbeat), jetstream.PullExpiry(4*idleHeartbeat))
	if err != nil {
		return wrap(err, "follow works")
	}
	left, err := o.takeAll(ctx, messages)
	giveBack(messages, left)
	return err
}

// takeAll hands on what arrives until that, or receiving, fails. It returns what was
// received and not taken.
func (o *orders) takeAll(ctx context.Context, messages jetstream.MessagesContext) (left []jetstream.Msg, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	arrived := make(chan jetstream.Msg, mostOrders)
	failed := make(chan error, 1)
	go func() {
		failed <- receive(ctx, messages, arrived)
		close(arrived)
	}()
	for m := range arrived {
		all := together(m, arrived)
		if err := o.take(all); err != nil {
			cancel()
			for m := range arrived {
				all = append(all, m)
			}
			return all, err
		}
	}
	return nil, <-failed
}

// receive hands on what comes until there is an error.
func receive(ctx context.Context, messages jetstream.MessagesContext, arrived chan<- jetstream.Msg) error {
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return wrap(err, "read")
		}
		arrived <- m // takeAll empties it in any case
	}
}

// giveBackWithin bounds the wait for what the library still holds.
const giveBackWithin = time.Second

// giveBack lets the bus deliver again at once what was not taken, instead of when it
// has waited for its acknowledgement in vain. The bus must first know that nothing is to
// be sent here any more, or it comes here again and is lost.
func giveBack(messages jetstream.MessagesContext, left []jetstream.Msg) {
	ctx, cancel := context.WithTimeout(context.Background(), giveBackWithin)
	defer cancel()
	messages.Drain()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			break
		}
		left = append(left, m)
	}
	messages.Stop()
	for _, m := range left {
		_ = m.Nak() // else it comes when the wait is over; one that was acknowledged stays so
	}
}

// together returns a message and those that have arrived after it.
func together(first jetstream.Msg, arrived <-chan jetstream.Msg) []jetstream.Msg {
	all := []jetstream.Msg{first}
	for len(all) < mostOrders {
		select {
		case m, more := <-arrived:
			if !more {
				return all
			}
			all = append(all, m)
		default:
			return all
		}
	}
	return all
}

// take hands messages on and acknowledges them; the last of the snapshot is followed
// by the mark.
func (o *orders) take(messages []jetstream.Msg) error {
	var changes []messaging.Change
	waiting := uint64(0)
	for _, m := range messages {
		meta, err := m.Metadata()
		if err != nil {
			return wrap(err, "follow works")
		}
		waiting = meta.NumPending
		key := strings.TrimPrefix(m.Subject(), subject.WorkPrefix(o.conn.account))
		changes = append(changes, messaging.Change{Entry: entry(key, m.Data(), m.Headers(), meta.Sequence.Stream)})
	}
	if err := o.handle(changes); err != nil {
		return handlerError{err}
	}
	for _, m := range messages {
		if err := m.Ack(); err != nil {
			return wrap(err, "acknowledge a work")
		}
	}
	o.reader.has(int(waiting), time.Now())
	if waiting > 0 {
		return nil
	}
	return o.sync()
}

func (o *orders) sync() error {
	if o.synced {
		return nil
	}
	o.synced = true
	if err := o.handle([]messaging.Change{{Synced: true}}); err != nil {
		return handlerError{err}
	}
	return nil
}
