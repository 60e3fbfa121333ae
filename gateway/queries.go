package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/placement/catalogue"
)

const (
	queriesEvery = 10 * time.Second // between two reports to the hub
	maxQueries   = 4096             // different questions of one report; others are not counted
)

// queries counts what clients ask for, and from where, until the hub is told.
type queries struct {
	counts sync.Map // question → *atomic.Int64
	size   atomic.Int64
}

type question struct {
	service federation.Key
	from    string // as the client wrote it
}

func newQueries() *queries { return &queries{} }

func (q *queries) count(service federation.Key, from string) {
	key := question{service, from}
	n, ok := q.counts.Load(key)
	if !ok {
		if q.size.Load() >= maxQueries {
			return
		}
		var known bool
		if n, known = q.counts.LoadOrStore(key, new(atomic.Int64)); !known {
			q.size.Add(1)
		}
	}
	n.(*atomic.Int64).Add(1)
}

// take empties the counts into a list. A query that comes meanwhile may be lost.
func (q *queries) take(home federation.Place) []federation.QueryCount {
	sums := map[question]int64{}
	q.counts.Range(func(k, n any) bool {
		q.counts.Delete(k)
		q.size.Add(-1)
		asked := k.(question)
		sums[question{asked.service, placeName(asked.from, home)}] += n.(*atomic.Int64).Load()
		return true
	})
	out := make([]federation.QueryCount, 0, len(sums))
	for k, n := range sums {
		if k.from != "" {
			out = append(out, federation.QueryCount{Service: k.service, At: k.from, Queries: n})
		}
	}
	return out
}

// placeName names where a client is: as the catalogue does, else to the degree, so
// that there are not more places than say something.
func placeName(from string, home federation.Place) string {
	place := home
	if from != "" {
		if known, ok := catalogue.Lookup(from); ok {
			return nameOf(known, strings.ToLower(strings.TrimSpace(from)))
		}
		var err error
		if place, err = catalogue.Parse(from); err != nil {
			return ""
		}
	}
	return nameOf(place, "")
}

func nameOf(place federation.Place, name string) string {
	switch {
	case name != "":
		return name
	case place.Region != "":
		return place.Region
	case place.Located():
		return fmt.Sprintf("%.0f,%.0f", place.Latitude, place.Longitude)
	}
	return ""
}

// tellQueries reports to the hub until ctx ends. What the hub does not take is lost:
// shares of demand need no exact counts.
func (g *Gateway) tellQueries(ctx context.Context) error {
	ticker := time.NewTicker(queriesEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		counts := g.queries.take(g.opts.Place)
		if len(counts) == 0 {
			continue
		}
		report := federation.QueryReport{Gateway: g.opts.Name, Counts: counts}
		if _, err := g.opts.Bus.Request(ctx, subject.Hub(subject.HubQueries), federationv1.EncodeQueryReport(report)); err != nil && ctx.Err() == nil {
			g.log.Debug("the hub did not take a report of queries", "reason", err)
		}
	}
}
