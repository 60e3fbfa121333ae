package decision

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Bounds of the demand that gateways observe.
const (
	demandHalfLife = time.Hour // after which a query counts half
	demandEnough   = 20        // queries from which shares say something
	demandServices = 10_000    // that are remembered
	demandPlaces   = 64        // of one service; the least asked are forgotten
	demandUsers    = 16        // places that placement is told
)

// observed is how much a service is asked for, by place; every query counts less
// as time goes by.
type observed struct {
	at     time.Time // for which the weights hold
	weight map[string]float64
}

func (o *observed) age(now time.Time) {
	if now.Equal(o.at) {
		return
	}
	factor := math.Exp2(-now.Sub(o.at).Hours() / demandHalfLife.Hours())
	for at := range o.weight {
		o.weight[at] *= factor
	}
	o.at = now
}

// queriesArrived takes what clients asked a gateway for. Nothing moves because of
// it: it counts when something is decided anyway.
func (m *Machine) queriesArrived(r federation.QueryReport) {
	for _, c := range r.Counts {
		o := m.observed[c.Service]
		if o == nil {
			if len(m.observed) >= demandServices {
				continue
			}
			o = &observed{at: m.now, weight: map[string]float64{}}
			m.observed[c.Service] = o
		}
		o.age(m.now)
		if c.Queries > 0 {
			o.weight[c.At] += float64(c.Queries)
		}
		o.forget()
	}
}

// forget drops the places beyond the bound that are asked from least.
func (o *observed) forget() {
	if len(o.weight) <= demandPlaces {
		return
	}
	for _, at := range o.places()[demandPlaces:] {
		delete(o.weight, at)
	}
}

// places lists the places, the one with most queries first.
func (o *observed) places() []string {
	all := sortedNames(o.weight)
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(o.weight[b], o.weight[a]) })
	return all
}

// usersOf is where the queries for the workload's services come from, nil when too
// few came to say anything, or when the workload is not divided by demand.
func (m *Machine) usersOf(w *workload) []federation.UserShare {
	if w.spec.Placement.Replicas.By != "Demand" {
		return nil
	}
	sum := observed{at: m.now, weight: map[string]float64{}}
	var all float64
	for _, object := range w.spec.Objects {
		if object.Kind != "Service" {
			continue
		}
		if o := m.observed[federation.Key{Namespace: object.Namespace, Name: object.Name}]; o != nil {
			o.age(m.now)
			for at, n := range o.weight {
				sum.weight[at] += n
				all += n
			}
		}
	}
	if all < demandEnough {
		return nil
	}
	var users []federation.UserShare
	places := sum.places()
	for _, at := range places[:min(len(places), demandUsers)] {
		users = append(users, federation.UserShare{At: at, Share: math.Round(1000*sum.weight[at]/all) / 1000})
	}
	return slices.DeleteFunc(users, func(u federation.UserShare) bool { return u.Share <= 0 })
}
