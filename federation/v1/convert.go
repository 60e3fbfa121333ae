package federationv1

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansa-io/hansa/federation"
)

// encode writes m deterministically, so that equal values are equal bytes. Text
// that is not UTF-8 (an error message of some API server) is mended, not refused.
func encode(m proto.Message) []byte {
	options := proto.MarshalOptions{Deterministic: true}
	b, err := options.Marshal(m)
	if err == nil {
		return b
	}
	mendText(m.ProtoReflect())
	if b, err = options.Marshal(m); err != nil {
		panic(fmt.Sprintf("encode %T: %v", m, err)) // nothing but invalid UTF-8 can fail in proto3
	}
	return b
}

// decode reads b into m and then converts it.
func decode[M proto.Message, V any](what string, b []byte, m M, convert func(M) (V, error)) (V, error) {
	var zero V
	if err := proto.Unmarshal(b, m); err != nil {
		return zero, fmt.Errorf("decode %s: %w", what, err)
	}
	v, err := convert(m)
	if err != nil {
		return zero, fmt.Errorf("decode %s: %w", what, err)
	}
	return v, nil
}

// each converts a slice; nil stays nil.
func each[A, B any](in []A, f func(A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

// eachErr converts a slice with a function that may refuse an element.
func eachErr[A, B any](in []A, f func(A) (B, error)) ([]B, error) {
	if in == nil {
		return nil, nil
	}
	out := make([]B, len(in))
	for i, v := range in {
		w, err := f(v)
		if err != nil {
			return nil, err
		}
		out[i] = w
	}
	return out, nil
}

func fromTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func toTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func fromDuration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func toDuration(d *durationpb.Duration) time.Duration { return d.AsDuration() }

func fromKey(k federation.Key) *Key { return &Key{Namespace: k.Namespace, Name: k.Name} }

func toKey(k *Key) federation.Key {
	return federation.Key{Namespace: k.GetNamespace(), Name: k.GetName()}
}

// toNamedKey refuses a key without both parts.
func toNamedKey(k *Key) (federation.Key, error) {
	if k.GetNamespace() == "" || k.GetName() == "" {
		return federation.Key{}, fmt.Errorf("key %q/%q: namespace and name must be set", k.GetNamespace(), k.GetName())
	}
	return toKey(k), nil
}

func fromPlace(p federation.Place) *Place {
	return &Place{
		Region: p.Region, Zone: p.Zone, Provider: p.Provider, Jurisdiction: p.Jurisdiction,
		Latitude: p.Latitude, Longitude: p.Longitude,
	}
}

func toPlace(p *Place) federation.Place {
	return federation.Place{
		Region: p.GetRegion(), Zone: p.GetZone(), Provider: p.GetProvider(), Jurisdiction: p.GetJurisdiction(),
		Latitude: p.GetLatitude(), Longitude: p.GetLongitude(),
	}
}

func fromResources(r federation.Resources) *Resources {
	return &Resources{MilliCpu: r.MilliCPU, MemoryBytes: r.MemoryBytes, Pods: r.Pods, Extended: r.Extended}
}

func toResources(r *Resources) federation.Resources {
	return federation.Resources{
		MilliCPU: r.GetMilliCpu(), MemoryBytes: r.GetMemoryBytes(), Pods: r.GetPods(), Extended: r.GetExtended(),
	}
}

func toSignal(n uint32) (federation.Signal, error) {
	if n > uint32(federation.Red) {
		return federation.Absent, fmt.Errorf("signal %d: want 0 (absent), 1 (green) or 2 (red)", n)
	}
	return federation.Signal(n), nil
}

func fromMarks(m map[federation.Mark]time.Time) map[string]*timestamppb.Timestamp {
	out := make(map[string]*timestamppb.Timestamp, len(m))
	for k, t := range m {
		out[string(k)] = timestamppb.New(t)
	}
	return out
}

func toMarks(m map[string]*timestamppb.Timestamp) map[federation.Mark]time.Time {
	out := make(map[federation.Mark]time.Time, len(m))
	for k, t := range m {
		out[federation.Mark(k)] = t.AsTime()
	}
	return out
}

func named(field, v string) error {
	if v == "" {
		return fmt.Errorf("%s must be set", field)
	}
	return nil
}
