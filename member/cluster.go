package member

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/member/admit"
	"github.com/hansa-io/hansa/member/kube"
)

// home is what an agent asks of its cluster before it works in it.
type home interface {
	// ID identifies the cluster.
	ID(ctx context.Context) (string, error)
	// CheckRights says what the agent may not do and must, more than every agent.
	CheckRights(ctx context.Context, more ...kube.Right) error
	// Marker says whose member the cluster is, and Mark notes it.
	Marker(ctx context.Context) (kube.Marker, error)
	Mark(ctx context.Context, m kube.Marker) error
	// Unmark removes what Mark noted, if it is that still.
	Unmark(ctx context.Context, m kube.Marker) error
}

// rulesWithin is how long a cluster that begins may refuse what it grants later: its API
// server answers before it has read, or even made, its own rules.
const rulesWithin = 15 * time.Second

// clusterID waits for the API server: an agent may start before its cluster. One that
// has not joined yet, and may not even ask, has to be told so.
func (a *Agent) clusterID(ctx context.Context) (string, error) {
	var denied time.Time // since when it is refused
	for told := false; ; told = true {
		id, err := a.home.ID(ctx)
		if err == nil {
			return id, nil
		}
		switch _, joined, _ := a.state.readIdentity(); {
		case joined || !kube.Denied(err):
			denied = time.Time{}
		case denied.IsZero():
			denied = time.Now()
		case time.Since(denied) > rulesWithin:
			if lacks := a.checkRights(ctx); lacks != nil {
				err = lacks
			}
			return "", notJoined(err)
		}
		if !told {
			a.log.Warn("waiting for the API server", "reason", err)
		}
		if !wait(ctx, time.Second) {
			return "", ctx.Err()
		}
	}
}

// notJoined says why, and that another attempt needs no new token.
func notJoined(err error) error {
	return fmt.Errorf("not joined, and the join token was not used: %w", err)
}

// mark has the cluster say whose member it is, once after the join; later it refuses a
// cluster that says otherwise, which another agent has joined meanwhile. One that leaves
// does neither.
func (a *Agent) mark(ctx context.Context) error {
	id := a.book.read()
	if id.Federation == "" || id.Leaving != "" {
		return nil
	}
	want := kube.Marker{Federation: id.Federation, Member: id.Member}
	found, err := a.home.Marker(ctx)
	switch {
	case err != nil:
		return err
	case found != want && found != (kube.Marker{}) && id.Marked:
		return fmt.Errorf("the cluster has joined federation %s as %s since: stop this agent, or join it again with a new token and an empty state directory",
			found.Federation, found.Member)
	case found != want:
		err = a.home.Mark(ctx, want)
	}
	if err != nil || id.Marked {
		return err
	}
	return a.book.change(func(id *identity) { id.Marked = true })
}

// checkRights says what the agent may not do and must, as it is configured.
func (a *Agent) checkRights(ctx context.Context) error {
	if a.opts.AdmissionListen == "" {
		return a.home.CheckRights(ctx)
	}
	return a.home.CheckRights(ctx, kube.AdmissionRights(admit.ConfigurationName)...)
}

// tellRights logs what a joined agent may not do any more, and must.
func (a *Agent) tellRights(ctx context.Context) {
	if err := a.checkRights(ctx); err != nil {
		a.log.Warn("rights are missing", "reason", err)
	}
}
