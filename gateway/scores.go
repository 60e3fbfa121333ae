package gateway

import (
	"context"
	"errors"
	"math"
	"regexp"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/placement"
)

// Bounds of a score from outside.
const (
	maxScores   = 64     // different ones
	maxScored   = 10_000 // members of one
	maxScoreAge = 30 * 24 * time.Hour
)

var scoreName = regexp.MustCompile(`^[a-z][-a-z0-9]{0,62}$`)

// SetScore writes a score from outside; one without values removes it.
func (g *Gateway) SetScore(ctx context.Context, f federation.Feed) error {
	_, known := g.Table().Scores[f.Name]
	if err := checkScore(f, known, len(g.Table().Scores)); err != nil {
		return err
	}
	if err := g.room(); err != nil && len(f.Values) > 0 {
		return err
	}
	bucket, err := g.opts.Bus.Bucket(ctx, subject.Scores)
	if err != nil {
		return err
	}
	key := subject.Token(f.Name)
	if len(f.Values) > 0 {
		_, err = bucket.Put(ctx, key, federationv1.EncodeFeed(f), messaging.AnyRevision)
		return err
	}
	err = bucket.Delete(ctx, key, messaging.AnyRevision)
	if errors.Is(err, messaging.ErrNotFound) {
		return messaging.Errorf(messaging.NotFound, "no score %q: see \"hansa get scores\"", f.Name)
	}
	return err
}

func checkScore(f federation.Feed, known bool, have int) error {
	switch {
	case !scoreName.MatchString(f.Name):
		return messaging.Errorf(messaging.Invalid, "score %q: want a name of lower-case letters, digits and \"-\", for example cost", f.Name)
	case placement.Builtin(f.Name):
		return messaging.Errorf(messaging.Invalid, "score %q is computed by Hansa itself: choose another name", f.Name)
	case f.MaxAge < time.Second || f.MaxAge > maxScoreAge:
		return messaging.Errorf(messaging.Invalid, "score %s: a lifetime of %v is not between %v and %v", f.Name, f.MaxAge, time.Second, maxScoreAge)
	case len(f.Values) > maxScored:
		return messaging.Errorf(messaging.Invalid, "score %s: %d members, at most %d are taken", f.Name, len(f.Values), maxScored)
	case !known && len(f.Values) > 0 && have >= maxScores:
		return messaging.Errorf(messaging.Invalid, "score %s: there are %d scores already: remove one with \"hansa score delete NAME\"", f.Name, have)
	}
	for member, v := range f.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return messaging.Errorf(messaging.Invalid, "score %s of %s: %v is not a number", f.Name, member, v)
		}
	}
	return nil
}
