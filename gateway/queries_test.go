package gateway

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/catalogue"
)

var (
	web  = federation.Key{Namespace: "shop", Name: "web"}
	cart = federation.Key{Namespace: "shop", Name: "cart"}
	home = catalogue.Resolve(federation.Place{Region: "eu-central"})
)

func taken(q *queries) []federation.QueryCount {
	counts := q.take(home)
	slices.SortFunc(counts, func(a, b federation.QueryCount) int {
		return strings.Compare(a.Service.String()+a.At, b.Service.String()+b.At)
	})
	return counts
}

func TestQueriesAreCountedByPlace(t *testing.T) {
	q := newQueries()
	for _, from := range []string{"osaka", "Osaka", "34.69,135.50", "34.6,135.4", "", "nowhere-at-all"} {
		q.count(web, from)
	}
	q.count(cart, "us-east")
	want := []federation.QueryCount{
		{Service: cart, At: "us-east", Queries: 1},
		{Service: web, At: "35,135", Queries: 1},
		{Service: web, At: "35,136", Queries: 1},
		{Service: web, At: "eu-central", Queries: 1},
		{Service: web, At: "osaka", Queries: 2},
	}
	if got := taken(q); !reflect.DeepEqual(got, want) {
		t.Fatalf("counted %+v", got)
	}
	if got := taken(q); len(got) != 0 {
		t.Fatalf("counted twice: %+v", got)
	}
	for _, c := range want {
		if _, err := catalogue.Parse(c.At); err != nil {
			t.Errorf("the engine cannot read %q: %v", c.At, err)
		}
	}
}

func TestQueriesAreBounded(t *testing.T) {
	q := newQueries()
	for i := range 3 * maxQueries {
		q.count(web, fmt.Sprintf("%.4f,%.4f", float64(i%170)-85, float64(i)/1000))
	}
	var counted int64
	for _, c := range taken(q) {
		counted += c.Queries
	}
	if counted != maxQueries {
		t.Fatalf("%d questions are remembered, want %d", counted, maxQueries)
	}
	q.count(web, "osaka")
	if got := taken(q); len(got) != 1 {
		t.Fatalf("after a report there is no room: %+v", got)
	}
}

func TestQueriesFromManyCallers(t *testing.T) {
	q := newQueries()
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 1000 {
				q.count(web, "osaka")
			}
		})
	}
	callers.Wait()
	if got := taken(q); len(got) != 1 || got[0].Queries != 8000 {
		t.Fatalf("counted %+v, want 8000", got)
	}
}

// BenchmarkCountQuery is what counting adds to each answer.
func BenchmarkCountQuery(b *testing.B) {
	q := newQueries()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			q.count(web, "osaka")
		}
	})
}
