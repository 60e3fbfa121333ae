package cli

import (
	"bufio"
	"context"
	"errors"
	"strings"
	"time"
)

// pod is what is read of a pod.
type pod struct {
	Metadata struct{ Name, Namespace, UID string }
	Status   struct {
		Phase             string
		ContainerStatuses []struct {
			Name             string
			State, LastState struct {
				Waiting, Terminated *struct{ Reason string }
			}
		}
	}
}

// tail reads the log of one container.
type tail struct {
	member, container string
	pod               pod
	prefix            string
	last              time.Time       // of the lines that were printed
	same              map[string]bool // lines of the second of last, which come again when it is asked anew
}

// longest is how long a line may be, in bytes.
const longest = 1 << 20

// read prints a container's log, and goes on after whatever ends the stream while the
// pod is there.
func (l *logs) read(ctx context.Context, t tail) {
	for {
		ended, err := l.stream(ctx, &t)
		switch {
		case ctx.Err() != nil, errors.Is(err, errNoObject):
			return // the user has enough, or the pod is gone
		case err != nil:
			l.complain(t.prefix, err)
		default:
			l.settle(t.prefix)
		}
		if !l.flags.follow || ended || !pause(ctx, lookEvery) {
			return
		}
	}
}

// stream prints one answer; ended: the pod will say no more.
func (l *logs) stream(ctx context.Context, t *tail) (ended bool, err error) {
	path := "/api/v1/namespaces/" + t.pod.Metadata.Namespace + "/pods/" + t.pod.Metadata.Name
	body, err := l.api.open(ctx, t.member, path+"/log", l.question(t))
	if err != nil {
		return false, err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		if line, news := t.take(lines.Text()); news {
			l.print(t.prefix, line)
		}
	}
	if err := lines.Err(); err != nil || !l.flags.follow {
		return false, err
	}
	var now pod
	if err := l.api.read(ctx, t.member, path, nil, &now); err != nil {
		return false, err
	}
	return now.Metadata.UID != t.pod.Metadata.UID || now.Status.Phase == "Succeeded" || now.Status.Phase == "Failed", nil
}

// take splits the time from a line; false when it was printed before. A log is asked
// for by whole seconds, so that lines of the last second come twice.
func (t *tail) take(text string) (string, bool) {
	stamp, line, _ := strings.Cut(text, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return text, true
	}
	switch {
	case at.Before(t.last.Truncate(time.Second)), t.same[text]:
		return "", false
	case t.same == nil, at.Truncate(time.Second).After(t.last.Truncate(time.Second)):
		t.same = map[string]bool{}
	}
	t.same[text] = true
	if at.After(t.last) {
		t.last = at
	}
	return line, true
}
