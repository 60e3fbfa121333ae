package route

import (
	"fmt"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// BenchmarkRank ranks one service of members that have 10 endpoints each, over
// four regions.
func BenchmarkRank(b *testing.B) {
	for _, members := range []int{3, 12, 100} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			table := wide(members).Table()
			q := Query{Service: web, From: place(b, "osaka"), Now: start}
			if got := table.Rank(q); len(got.Tiers) != min(members, 4) {
				b.Fatalf("%d tiers", len(got.Tiers))
			}
			b.ReportAllocs()
			for b.Loop() {
				table.Rank(q)
			}
		})
	}
}

func wide(members int) *Builder {
	b := NewBuilder()
	regions := []string{"ap-northeast", "eu-central", "us-east", "us-west"}
	beat := federation.HubBeat{Term: 1, Sequence: 1}
	for i := range members {
		name := fmt.Sprintf("m%02d", i)
		b.SetMember(federation.MemberSpec{Name: name, Place: catalogue.Resolve(federation.Place{Region: regions[i%len(regions)]})}, 1)
		var addresses []string
		for j := range 10 {
			addresses = append(addresses, fmt.Sprintf("10.%d.0.%d", i, j))
		}
		b.SetExport(export(name, addresses...), start)
		beat.Members = append(beat.Members, federation.MemberBeat{Member: name, Health: federation.Healthy, Incarnation: 1})
	}
	b.SetBeat(beat, start)
	b.SetSynced(true)
	return b
}
