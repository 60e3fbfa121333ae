package membership

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// TestTwoPaths: beats that come by two servers of the bus count once, when the first of
// each comes: what is known of the member is what one path that is always the faster one
// would tell.
func TestTwoPaths(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	type arrival struct {
		at   time.Time
		beat federation.Beat
	}
	var once, twice stream
	var late []arrival
	for seq := uint64(1); seq <= 400; seq++ {
		b := federation.Beat{Member: "tokyo", Incarnation: 1, Sequence: seq, Layers: federation.Layers{Nodes: int64(seq)}}
		sent := start.Add(time.Duration(seq) * 250 * time.Millisecond)
		first := sent.Add(time.Duration(rng.Int64N(int64(50 * time.Millisecond))))
		for len(late) > 0 && late[0].at.Before(first) {
			if twice.take(late[0].at, late[0].beat) {
				t.Fatalf("beat %d counts twice", late[0].beat.Sequence)
			}
			late = late[1:]
		}
		if !once.take(first, b) || !twice.take(first, b) {
			t.Fatalf("beat %d does not count", seq)
		}
		late = append(late, arrival{sent.Add(time.Second), b}) // the other path is slow, and in order
	}
	if !reflect.DeepEqual(once, twice) {
		t.Errorf("by one path\n%+v\nby two\n%+v", once, twice)
	}
}
