package podip

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestPoolGivesInOrder(t *testing.T) {
	pool := NewPool(netip.MustParsePrefix("10.0.0.0/29"), 2)
	if got := pool.Node(1).String(); got != "10.0.0.2" {
		t.Fatalf("node 1 has %s", got)
	}
	for i, want := range []string{"10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"} {
		if got := take(t, pool, fmt.Sprint(i)); got != want {
			t.Fatalf("pod %d got %s, want %s", i, got, want)
		}
	}
	if _, err := pool.Take("more"); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	pool.Free("2")
	if got := take(t, pool, "more"); got != "10.0.0.5" {
		t.Fatalf("got %s, want the freed one", got)
	}
}

func TestPoolReusesLate(t *testing.T) {
	pool := NewPool(netip.MustParsePrefix("10.0.0.0/29"), 0)
	first := take(t, pool, "a")
	pool.Free("a")
	if got := take(t, pool, "b"); got == first {
		t.Fatalf("%s was given again at once", got)
	}
}

func TestPoolMark(t *testing.T) {
	pool := NewPool(netip.MustParsePrefix("10.0.0.0/29"), 1)
	tests := []struct {
		key, address string
		want         bool
	}{
		{"a", "10.0.0.2", true},
		{"a", "10.0.0.2", true},  // again
		{"b", "10.0.0.2", false}, // another's
		{"a", "10.0.0.3", false}, // has one
		{"b", "10.0.0.1", false}, // a node's
		{"b", "10.0.0.7", false}, // broadcast
		{"b", "10.1.0.2", false}, // outside
		{"b", "fd00::2", false},
	}
	for _, test := range tests {
		if got := pool.Mark(test.key, netip.MustParseAddr(test.address)); got != test.want {
			t.Errorf("mark %s %s: %v", test.key, test.address, got)
		}
	}
	if got := take(t, pool, "b"); got != "10.0.0.3" {
		t.Fatalf("got %s, want the first unmarked", got)
	}
}

// TestPoolLaws draws operations and checks the laws in the type's doc.
func TestPoolLaws(t *testing.T) {
	prefix := netip.MustParsePrefix("10.0.0.0/28")
	rapid.Check(t, func(t *rapid.T) {
		pool := NewPool(prefix, rapid.IntRange(0, 5).Draw(t, "nodes"))
		held := map[string]netip.Addr{}
		key := rapid.StringMatching(`[a-p]`)
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				k := key.Draw(t, "key")
				address, err := pool.Take(k)
				if errors.Is(err, ErrFull) && len(held) == pool.size() {
					return
				}
				if err != nil || (held[k].IsValid() && held[k] != address) {
					t.Fatalf("take %s: %v, %v with %v", k, address, err, held)
				}
				held[k] = address
			},
			"mark": func(t *rapid.T) {
				k, address := key.Draw(t, "key"), offset(prefix.Addr(), rapid.IntRange(0, 15).Draw(t, "address"))
				if pool.Mark(k, address) {
					held[k] = address
				}
			},
			"free": func(t *rapid.T) {
				k := key.Draw(t, "key")
				pool.Free(k)
				delete(held, k)
			},
			"": func(t *rapid.T) {
				owners := map[netip.Addr]string{}
				for k, address := range held {
					if other, taken := owners[address]; taken {
						t.Fatalf("%s and %s share %s", k, other, address)
					}
					if address.Compare(pool.first) < 0 || address.Compare(pool.last) > 0 {
						t.Fatalf("%s has %s", k, address)
					}
					owners[address] = k
				}
			},
		})
	})
}

func take(t *testing.T, pool *Pool, key string) string {
	t.Helper()
	address, err := pool.Take(key)
	if err != nil {
		t.Fatal(err)
	}
	return address.String()
}
