package nats

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/trace"
)

// errorHeader carries a responder's error, as JSON of wireError.
const errorHeader = "Hansa-Error"

type wireError struct {
	Kind messaging.Kind `json:"kind"`
	Text string         `json:"text"`
}

// responders bounds how many requests of one subject are answered at a time: as many as
// the hub stores together.
const responders = 512

// Respond answers requests until ctx ends.
func (c *Conn) Respond(ctx context.Context, subj string, answer func(context.Context, messaging.Message) ([]byte, error)) error {
	return c.RespondAdmitted(ctx, subj, func(messaging.Message) error { return nil }, answer)
}

// RespondAdmitted answers requests that admit lets in until ctx ends.
func (c *Conn) RespondAdmitted(ctx context.Context, subj string, admit func(messaging.Message) error, answer answerer) error {
	return c.respondIn(ctx, "", subj, admit, answer)
}

type answerer = func(context.Context, messaging.Message) ([]byte, error)

// respondIn answers as one of a queue group, of which each request reaches one; "" is no
// group.
func (c *Conn) respondIn(ctx context.Context, queue, subj string, admit func(messaging.Message) error, answer answerer) error {
	slots := make(chan struct{}, responders)
	sub, err := c.nc.QueueSubscribe(subj, queue, func(m *nats.Msg) {
		asked := messaging.Message{Subject: m.Subject, Reply: m.Reply, Data: m.Data}
		if err := admit(asked); err != nil {
			respond(m, nil, err)
			return
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			began := time.Now()
			data, err := answer(trace.With(ctx, m.Header.Get(trace.Header)), asked)
			respond(m, data, err)
			c.link.metrics.answered(subj, began, err)
		}()
	})
	if err != nil {
		return wrap(err, "respond on %s", subj)
	}
	stop := c.unsubscribe(sub)
	<-ctx.Done()
	stop()
	for range responders {
		slots <- struct{}{} // waits for the answers under way
	}
	return ctx.Err()
}

func respond(m *nats.Msg, data []byte, err error) {
	if m.Reply == "" {
		return
	}
	if err == nil {
		err = fits(len(data))
	}
	answer := nats.NewMsg(m.Reply)
	answer.Data = data
	if err != nil {
		e := wireError{Kind: messaging.InternalKind, Text: err.Error()}
		var remote *messaging.RemoteError
		if errors.As(err, &remote) {
			e = wireError{Kind: remote.Kind, Text: remote.Text}
		}
		e.Text = shortened(e.Text)
		b, _ := json.Marshal(e) // two strings
		answer.Header.Set(errorHeader, string(b))
		answer.Data = nil
	}
	_ = m.RespondMsg(answer) // the requester's time-out tells
}

// errorText bounds the text of an error on the wire, in bytes; it goes into a header.
const errorText = 16 << 10

func shortened(text string) string {
	if len(text) <= errorText {
		return text
	}
	return strings.ToValidUTF8(text[:errorText], "") + " …"
}
