package placement

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

// spreadLaw returns what is wrong with counts by domain under a constraint.
func spreadLaw(s federation.SpreadConstraint, counts []int64) string {
	var used, lo, hi int64
	for _, n := range counts {
		if n == 0 {
			continue
		}
		if used == 0 || n < lo {
			lo = n
		}
		used++
		hi = max(hi, n)
	}
	switch {
	case used < s.Min:
		return fmt.Sprintf("%d domains, min %d", used, s.Min)
	case s.Max > 0 && used > s.Max:
		return fmt.Sprintf("%d domains, max %d", used, s.Max)
	case s.MaxSkew > 0 && hi-lo > s.MaxSkew:
		return fmt.Sprintf("skew %d, max %d", hi-lo, s.MaxSkew)
	}
	return ""
}

// mostPlaced tries every division of up to want replicas over domains with these
// rooms and returns the most that the constraint lets find a place.
func mostPlaced(s federation.SpreadConstraint, rooms []int64, want int64) int64 {
	best := int64(0)
	counts := make([]int64, len(rooms))
	var try func(d int, left int64)
	try = func(d int, left int64) {
		if d == len(rooms) {
			if want-left > best && spreadLaw(s, counts) == "" {
				best = want - left
			}
			return
		}
		for n := range min(rooms[d], left) + 1 {
			counts[d] = n
			try(d+1, left-n)
		}
		counts[d] = 0
	}
	try(0, want)
	return best
}

// TestSpreadIsAsGoodAsTryingEverything compares one constraint with all
// divisions there are.
func TestSpreadIsAsGoodAsTryingEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		if len(req.Placement.Spread) == 0 {
			return
		}
		req.Demand.Replicas = min(req.Demand.Replicas, 8)
		s := req.Placement.Spread[0]
		d := mustPlace(t, w, req)
		rooms, counts := map[string]int64{}, map[string]int64{}
		for i := range w.Members {
			m := &w.Members[i]
			name := map[string]string{"region": m.Spec.Place.Region, "zone": m.Spec.Place.Zone, "member": m.Spec.Name}[s.By]
			if m.standing() == open {
				rooms[name] += m.Facts.Free.Pods
			}
			counts[name] += replicasIn(d.Members, m.Spec.Name)
		}
		placed := req.Demand.Replicas - d.Unmet
		var have, got []int64
		for _, name := range sortedKeys(rooms) {
			have = append(have, rooms[name])
			got = append(got, counts[name])
		}
		if broken := spreadLaw(s, got); placed > 0 && broken != "" {
			t.Fatalf("%+v: %v breaks it: %s", s, got, broken)
		}
		if most := mostPlaced(s, have, req.Demand.Replicas); placed != most {
			t.Fatalf("%+v over rooms %v: placed %d of %d, %d are possible", s, have, placed, req.Demand.Replicas, most)
		}
	})
}

// hashOfName is a member's rank among equals for the workload web.
func hashOfName(name string) uint64 {
	key := hashString(web.Namespace) ^ mix(1, hashString(web.Name))
	return mix(key, hashString(name))
}

// TestDivisionIsSainteLague compares the division without constraints with the
// method as it is defined: each next replica to the largest weight/(2n+1).
func TestDivisionIsSainteLague(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		req.Placement.Spread = nil
		req.Placement.Replicas.By = "Capacity"
		drawCurrent(t, w, &req)
		req.Explain = true
		d := mustPlace(t, w, req)
		type share struct{ room, weight, n, score int64 }
		shares := map[string]*share{}
		var total int64
		for i, line := range d.Explanation.Members {
			m := &w.Members[i]
			running := replicasIn(req.Current, m.Spec.Name)
			s := &share{n: running, score: int64(line.Total*100 + 0.5)}
			switch m.standing() {
			case open:
				s.room, s.weight = running+m.Facts.Free.Pods, running+m.Facts.Free.Pods
			case closed:
				s.room = running
			case lost:
				s.n = 0
			}
			total += s.n
			shares[m.Spec.Name] = s
		}
		if total > req.Demand.Replicas {
			return // contraction; see the property of moves
		}
		for ; total < req.Demand.Replicas; total++ {
			best := ""
			for _, name := range sortedKeys(shares) {
				s := shares[name]
				if s.n >= s.room {
					continue
				}
				b := shares[best]
				if best == "" {
					best = name
				} else if x, y := s.weight*(2*b.n+1), b.weight*(2*s.n+1); x > y ||
					(x == y && (s.score > b.score || (s.score == b.score && hashOfName(name) > hashOfName(best)))) {
					best = name
				}
			}
			if best == "" {
				break
			}
			shares[best].n++
		}
		for name, s := range shares {
			if got := replicasIn(d.Members, name); got != s.n {
				t.Fatalf("%s has %d, the method gives %d; decision %v", name, got, s.n, d.Members)
			}
		}
	})
}

// TestIndexMatchesAsOneByOne compares the snapshot's sets with Match.
func TestIndexMatchesAsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for i := range w.Members {
			w.Members[i].Spec.Labels = map[string]string{}
			for _, key := range []string{"tier", "region", "size"} {
				if v := rapid.SampledFrom([]string{"", "1", "2", "gold"}).Draw(t, key); v != "" {
					w.Members[i].Spec.Labels[key] = v
				}
			}
			w.Members[i].Facts.KubernetesVersion = rapid.SampledFrom([]string{"", "v1.36.4", "v1.37.2"}).Draw(t, "version")
			w.Members[i].Facts.Kinds = rapid.SliceOfN(rapid.SampledFrom([]string{"v1/Pod", "apps/v1/Deployment"}), 0, 2).Draw(t, "kinds")
		}
		req := federation.Requirement{
			Key:      rapid.SampledFrom([]string{"tier", "region", "zone", "size", "name", "kubernetesVersion", "free.cpu", "kind", "none"}).Draw(t, "key"),
			Operator: rapid.SampledFrom([]string{"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"}).Draw(t, "operator"),
			Values:   rapid.SliceOfN(rapid.SampledFrom([]string{"1", "gold", "r1", "m2", "1.36", "v1.37.2", "v1/Pod"}), 0, 2).Draw(t, "values"),
		}
		sel := federation.LabelSelector{MatchExpressions: []federation.Requirement{req}}
		s, err := NewSnapshot(w)
		if err != nil {
			t.Fatal(err)
		}
		set := newBitset(len(w.Members))
		valid := validateSelector(sel) == nil
		if valid {
			s.match(sel, set)
		}
		for i, m := range s.members {
			one, err := Match(sel, m.Spec, m.Facts)
			if (err == nil) != valid || (valid && one != set.has(int32(i))) {
				t.Fatalf("%+v on %+v: alone %v (%v), indexed %v", req, m.Spec, one, err, set.has(int32(i)))
			}
		}
	})
}
