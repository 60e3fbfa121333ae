package placement

import (
	"reflect"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

func TestDifferences(t *testing.T) {
	before := []federation.MemberExplanation{
		{Member: "frankfurt", Chosen: true, Replicas: 2, Total: 80},
		{Member: "osaka", Chosen: true, Replicas: 1, Total: 55},
		{Member: "paris", Reason: "eligible; others came first", Total: 40},
		{Member: "tokyo", Chosen: true, Replicas: 2, Total: 90},
	}
	after := []federation.MemberExplanation{
		{Member: "frankfurt", Filter: "Health", Reason: "is Unreachable"},
		{Member: "paris", Chosen: true, Replicas: 3, Total: 41},
		{Member: "tokyo", Chosen: true, Replicas: 2, Total: 70},
		{Member: "virginia", Filter: "Taint", Reason: "has taint x:NoSchedule"},
	}
	want := []federation.Difference{
		{Member: "frankfurt", From: 2, To: 0, Before: "chosen, 80.0 points", After: "Health: is Unreachable"},
		{Member: "paris", From: 0, To: 3, Before: "eligible; others came first, 40.0 points", After: "chosen, 41.0 points"},
		{Member: "virginia", Before: "no member", After: "Taint: has taint x:NoSchedule"},
		{Member: "osaka", From: 1, To: 0, Before: "chosen, 55.0 points", After: "no member"},
	}
	if got := Differences(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := Differences(after, after); len(got) != 0 {
		t.Errorf("of one decision with itself: %+v", got)
	}
}
