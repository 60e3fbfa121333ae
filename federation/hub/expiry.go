package hub

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/busdoctor"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// expiryEvery is how often the leader looks at what expires.
const expiryEvery = 5 * time.Minute

// watchExpiry tells, as events and as metrics, what expires, for as long as the term
// lasts.
func (l *leadership) watchExpiry(ctx context.Context) error {
	defer l.hub.metrics.expiry.Reset()
	for {
		l.tellExpiries(ctx, time.Now())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(expiryEvery):
		}
	}
}

func (l *leadership) tellExpiries(ctx context.Context, now time.Time) {
	w := busdoctor.World{Now: now, Expiries: authorities(l.hub.opts.BusCA)}
	for _, spec := range l.dir.everySpec() {
		w.Members = append(w.Members, busdoctor.Member{Name: spec.Name, CredentialsEnd: spec.User.ExpiresAt, CredentialsLate: spec.User.LateAt()})
	}
	if report, err := l.inspect(ctx); err == nil {
		w.Report = report
	}
	l.hub.metrics.expires(busdoctor.Expiries(w), now)
	for _, e := range busdoctor.Expiring(w) {
		if err := l.tellExpiry(ctx, e, now); err != nil && ctx.Err() == nil {
			l.log.Warn("an expiry cannot be told", "about", e.About, "reason", err)
		}
	}
}

// tellExpiry writes an event, once for each thing, each end of it, and each step towards
// that end: the key says which, so that another leader does not write it again.
func (l *leadership) tellExpiry(ctx context.Context, e federation.Expiry, now time.Time) error {
	event := federation.Event{
		At: now, Type: "Expiry", About: "bus", Who: "hub", Text: fmt.Sprintf("%s of %s %s", e.Kind, e.About, busdoctor.When(e, now)),
	}
	if member, ok := strings.CutPrefix(e.About, "member "); ok {
		event.About = "member/" + member
	}
	key := fmt.Sprintf("expiry-%s-%s-%d-%s", e.Kind, subject.Token(e.About), e.Ends.Unix(), step(e.Ends.Sub(now)))
	_, err := l.buckets[subject.Events].Put(ctx, key, federationv1.EncodeEvent(event), 0)
	if errors.Is(err, messaging.ErrConflict) {
		return nil
	}
	if err == nil {
		l.log.Warn(event.Text)
	}
	return err
}

// step says how near an end is.
func step(left time.Duration) string {
	switch {
	case left <= 0:
		return "over"
	case left < 24*time.Hour:
		return "day"
	}
	return "soon"
}

// authorities lists when the CAs that sign the bus's certificates end.
func authorities(ca []byte) []federation.Expiry {
	var out []federation.Expiry
	for block, rest := pem.Decode(ca); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, federation.Expiry{Kind: "certificate", About: "CA of the bus", Ends: c.NotAfter})
		}
	}
	return out
}
