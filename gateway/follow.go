package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/gateway/route"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

func encodeBeat(b federation.GatewayBeat) []byte { return federationv1.EncodeGatewayBeat(b) }

// applier turns one version of a record into a change of the builder.
type applier func(*route.Builder, messaging.Entry) error

// Followed lists the buckets that a gateway follows.
func Followed() []string { return slices.Sorted(maps.Keys(followed())) }

// followed are the buckets a gateway holds, and what their records mean.
func followed() map[string]applier {
	return map[string]applier{
		subject.Members:     applyMember,
		subject.Health:      keep(federationv1.DecodeHealthRecord, (*route.Builder).SetHealth),
		subject.Facts:       keep(federationv1.DecodeMemberFacts, (*route.Builder).SetFacts),
		subject.Exports:     applyExport,
		subject.Workloads:   applyWorkload,
		subject.Assignments: applyAssignment,
		subject.Status:      applyStatus,
		subject.Scores:      applyScore,
		subject.StatusRules: applyStatusRule,
		subject.Operations:  keep(federationv1.DecodeOperation, (*route.Builder).SetOperation),
		subject.Events:      applyEvent,
	}
}

// follow starts a follower for each bucket and hears the hub's beats.
func (g *Gateway) follow(ctx context.Context, group *errgroup.Group) {
	all := followed()
	for name := range all {
		g.missing[name] = true
	}
	for name, apply := range all {
		group.Go(func() error { return g.followOne(ctx, name, apply) })
	}
	group.Go(func() error { return g.hearHub(ctx) })
}

func (g *Gateway) followOne(ctx context.Context, name string, apply applier) error {
	bucket, err := g.opts.Bus.Bucket(ctx, name)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", name, err)
	}
	return bucket.Follow(ctx, "", func(c messaging.Change) error {
		g.update(func(b *route.Builder) {
			switch {
			case c.Reset:
				g.missing[name] = true
				b.SetUnread(name)
				return
			case c.Synced:
				delete(g.missing, name)
			default:
				if err := apply(b, c.Entry); err != nil {
					g.log.Error("a record cannot be read and is left out", "bucket", name, "key", c.Key, "error", err)
				}
			}
			b.SetRead(name, c.Revision)
		})
		return nil
	})
}

// hearHub takes what the hubs say until ctx ends.
func (g *Gateway) hearHub(ctx context.Context) error {
	_, err := g.opts.Bus.Subscribe(ctx, subject.HubOpinion(), func(m messaging.Message) {
		opinion, err := federationv1.DecodeOpinion(m.Data)
		if err != nil {
			g.log.Warn("the opinion of a hub cannot be read", "error", err)
			return
		}
		g.mu.Lock()
		changed := g.builder.SetOpinion(opinion, time.Now())
		g.mu.Unlock()
		if changed {
			g.ask()
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe to the hubs' opinions: %w", err)
	}
	_, err = g.opts.Bus.Subscribe(ctx, subject.HubBeat(), func(m messaging.Message) {
		beat, err := federationv1.DecodeHubBeat(m.Data)
		if err != nil {
			g.log.Warn("a hub beat cannot be read", "error", err)
			return
		}
		g.update(func(b *route.Builder) { b.SetBeat(beat, time.Now()) })
	})
	if err != nil {
		return fmt.Errorf("subscribe to the hub's beats: %w", err)
	}
	<-ctx.Done()
	return ctx.Err()
}

// keep makes an applier of records that are replaced and not deleted.
func keep[V any](decode func([]byte) (V, error), set func(*route.Builder, V)) applier {
	return func(b *route.Builder, e messaging.Entry) error {
		if e.Deleted {
			return nil
		}
		v, err := decode(e.Value)
		if err == nil {
			set(b, v)
		}
		return err
	}
}

func applyMember(b *route.Builder, e messaging.Entry) error {
	if e.Deleted {
		name, err := subject.Untoken(e.Key)
		if err == nil {
			b.RemoveMember(name)
		}
		return err
	}
	spec, err := federationv1.DecodeMemberSpec(e.Value)
	if err == nil {
		b.SetMember(spec, e.Revision)
	}
	return err
}

func applyExport(b *route.Builder, e messaging.Entry) error {
	if e.Deleted {
		member, service, err := subject.ParseStatusKey(e.Key)
		if err == nil {
			b.RemoveExport(member, service)
		}
		return err
	}
	export, err := federationv1.DecodeExport(e.Value)
	if err == nil {
		b.SetExport(export, time.Now())
	}
	return err
}

func applyWorkload(b *route.Builder, e messaging.Entry) error {
	if e.Deleted {
		key, err := subject.ParseWorkloadKey(e.Key)
		if err == nil {
			b.RemoveWorkload(key)
		}
		return err
	}
	w, err := federationv1.DecodeWorkload(e.Value)
	if err == nil {
		w.Revision = e.Revision
		b.SetWorkload(w)
	}
	return err
}

func applyAssignment(b *route.Builder, e messaging.Entry) error {
	if e.Deleted {
		key, err := subject.ParseWorkloadKey(e.Key)
		if err == nil {
			b.RemoveAssignment(key)
		}
		return err
	}
	a, err := federationv1.DecodeAssignment(e.Value)
	if err == nil {
		b.SetAssignment(a, e.Value)
	}
	return err
}

func applyStatus(b *route.Builder, e messaging.Entry) error {
	if e.Deleted {
		member, key, err := subject.ParseStatusKey(e.Key)
		if err == nil {
			b.RemoveStatus(member, key)
		}
		return err
	}
	s, err := federationv1.DecodeWorkStatus(e.Value)
	if err == nil {
		b.SetStatus(s)
	}
	return err
}

func applyScore(b *route.Builder, e messaging.Entry) error {
	if e.Deleted {
		name, err := subject.Untoken(e.Key)
		if err == nil {
			b.RemoveScore(name)
		}
		return err
	}
	f, err := federationv1.DecodeFeed(e.Value)
	if err == nil {
		b.SetScore(f)
	}
	return err
}

func applyStatusRule(b *route.Builder, e messaging.Entry) error {
	if e.Deleted {
		name, err := subject.Untoken(e.Key)
		if err == nil {
			b.RemoveStatusRule(name)
		}
		return err
	}
	r, err := federationv1.DecodeStatusRule(e.Value)
	if err == nil {
		r.Revision = e.Revision
		b.SetStatusRule(r)
	}
	return err
}

func applyEvent(b *route.Builder, e messaging.Entry) error {
	if e.Deleted {
		return nil
	}
	event, err := federationv1.DecodeEvent(e.Value)
	if err == nil {
		event.Revision = e.Revision
		b.AddEvent(event)
	}
	return err
}
