package federationv1

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// codec is one pair of functions under test, with its type erased.
type codec struct {
	name   string
	sample reflect.Type
	encode func(any) []byte
	decode func([]byte) (any, error)
}

func of[T any](name string, encode func(T) []byte, decode func([]byte) (T, error)) codec {
	return codec{
		name:   name,
		sample: reflect.TypeFor[T](),
		encode: func(v any) []byte { return encode(v.(T)) },
		decode: func(b []byte) (any, error) { return decode(b) },
	}
}

func codecs() []codec {
	return []codec{
		of("Beat", EncodeBeat, DecodeBeat),
		of("HubBeat", EncodeHubBeat, DecodeHubBeat),
		of("Opinion", EncodeOpinion, DecodeOpinion),
		of("GatewayBeat", EncodeGatewayBeat, DecodeGatewayBeat),
		of("BusReport", EncodeBusReport, DecodeBusReport),
		of("Hello", EncodeHello, DecodeHello),
		of("HelloReply", EncodeHelloReply, DecodeHelloReply),
		of("MemberSpec", EncodeMemberSpec, DecodeMemberSpec),
		of("MemberFacts", EncodeMemberFacts, DecodeMemberFacts),
		of("HealthRecord", EncodeHealthRecord, DecodeHealthRecord),
		of("Export", EncodeExport, DecodeExport),
		of("ImportsRequest", EncodeImportsRequest, DecodeImportsRequest),
		of("ImportsReply", EncodeImportsReply, DecodeImportsReply),
		of("Workload", EncodeWorkload, DecodeWorkload),
		of("Assignment", EncodeAssignment, DecodeAssignment),
		of("Work", EncodeWork, DecodeWork),
		of("WorkStatus", EncodeWorkStatus, DecodeWorkStatus),
		of("Operation", EncodeOperation, DecodeOperation),
		of("OperationRequest", EncodeOperationRequest, DecodeOperationRequest),
		of("AbortRequest", EncodeAbortRequest, DecodeAbortRequest),
		of("ApproveRequest", EncodeApproveRequest, DecodeApproveRequest),
		of("FreezeRequest", EncodeFreezeRequest, DecodeFreezeRequest),
		of("QueryReport", EncodeQueryReport, DecodeQueryReport),
		of("Event", EncodeEvent, DecodeEvent),
		of("SimulationRequest", EncodeSimulationRequest, DecodeSimulationRequest),
		of("Readiness", EncodeReadiness, DecodeReadiness),
		of("RebalanceRequest", EncodeRebalanceRequest, DecodeRebalanceRequest),
		of("ReplayRequest", EncodeReplayRequest, DecodeReplayRequest),
		of("Replay", EncodeReplay, DecodeReplay),
		of("Feed", EncodeFeed, DecodeFeed),
		of("StatusRule", EncodeStatusRule, DecodeStatusRule),
		of("Simulation", EncodeSimulation, DecodeSimulation),
		of("ProbeRequest", EncodeProbeRequest, DecodeProbeRequest),
		of("ProbeReply", EncodeProbeReply, DecodeProbeReply),
		of("CertificateRequest", EncodeCertificateRequest, DecodeCertificateRequest),
		of("CertificateReply", EncodeCertificateReply, DecodeCertificateReply),
		of("JoinRequest", EncodeJoinRequest, DecodeJoinRequest),
		of("JoinReply", EncodeJoinReply, DecodeJoinReply),
		of("TokenRequest", EncodeTokenRequest, DecodeTokenRequest),
		of("TokenReply", EncodeTokenReply, DecodeTokenReply),
		of("Token", EncodeToken, DecodeToken),
		of("TokensRequest", EncodeTokensRequest, DecodeTokensRequest),
		of("TokensReply", EncodeTokensReply, DecodeTokensReply),
		of("MemberChange", EncodeMemberChange, DecodeMemberChange),
		of("DescribeRequest", EncodeDescribeRequest, DecodeDescribeRequest),
		of("RenewRequest", EncodeRenewRequest, DecodeRenewRequest),
		of("Grant", EncodeGrant, DecodeGrant),
		of("AttestRequest", EncodeAttestRequest, DecodeAttestRequest),
		of("AttestReply", EncodeAttestReply, DecodeAttestReply),
		of("Evidence", EncodeEvidence, DecodeEvidence),
		of("Secrets", EncodeSecrets, DecodeSecrets),
		of("SealOffer", EncodeSealOffer, DecodeSealOffer),
		of("SealKeys", EncodeSealKeys, DecodeSealKeys),
		of("SealReply", EncodeSealReply, DecodeSealReply),
		of("BackupRequest", EncodeBackupRequest, DecodeBackupRequest),
		of("BackupReply", EncodeBackupReply, DecodeBackupReply),
		of("RestoreRequest", EncodeRestoreRequest, DecodeRestoreRequest),
		of("RestoreReply", EncodeRestoreReply, DecodeRestoreReply),
		of("Rotation", EncodeRotation, DecodeRotation),
		of("RotationReply", EncodeRotationReply, DecodeRotationReply),
		of("Rotated", EncodeRotated, DecodeRotated),
		of("RotationOrder", EncodeRotationOrder, DecodeRotationOrder),
		of("LeaveOrder", EncodeLeaveOrder, DecodeLeaveOrder),
		of("LeaveReport", EncodeLeaveReport, DecodeLeaveReport),
	}
}

// TestThereAndBack fills every field of every value with random content and
// wants the same value back: a field that a converter forgot fails it.
func TestThereAndBack(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			for range 50 {
				want := reflect.New(c.sample).Elem()
				fill(rng, want)
				b := c.encode(want.Interface())
				got, err := c.decode(b)
				if err != nil {
					t.Fatalf("decode: %v", err)
				}
				if !reflect.DeepEqual(got, want.Interface()) {
					t.Fatalf("there and back:\n got %+v\nwant %+v", got, want)
				}
				if again := c.encode(got); !bytes.Equal(again, b) {
					t.Fatal("equal values have different bytes")
				}
			}
		})
	}
}

// fill sets every exported field of v, at any depth, to something that is not
// zero. What the store or the wire leaves out by design stays zero.
func fill(rng *rand.Rand, v reflect.Value) {
	if fillKnown(rng, v) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; !leftOut(v.Type(), name) {
				fill(rng, v.Field(i))
			}
		}
	case reflect.Slice:
		n := 1 + rng.IntN(3)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(rng, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(rng, k)
		fill(rng, e)
		v.SetMapIndex(k, e)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(rng, v.Elem())
	default:
		fillScalar(rng, v)
	}
}

func fillScalar(rng *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("text" + strings.Repeat("x", rng.IntN(4)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1 + rng.Int64N(1000))
	case reflect.Uint8:
		v.SetUint(rng.Uint64N(255) + 1)
	case reflect.Uint64:
		v.SetUint(1 + rng.Uint64N(1000))
	case reflect.Float64:
		v.SetFloat(1 + rng.Float64())
	default:
		panic("fill: no rule for " + v.Type().String())
	}
}

// fillKnown sets the types of which not every value is valid.
func fillKnown(rng *rand.Rand, v reflect.Value) bool {
	var value any
	switch v.Interface().(type) {
	case time.Time:
		value = time.Unix(rng.Int64N(1<<31), rng.Int64N(1e9)).UTC()
	case federation.Health:
		value = federation.Health(1 + rng.IntN(8))
	case federation.Signal:
		value = federation.Signal(1 + rng.IntN(2))
	case federation.Key:
		value = federation.Key{Namespace: "ns" + strings.Repeat("x", rng.IntN(4)), Name: "name" + strings.Repeat("x", rng.IntN(4))}
	case federation.Scope:
		value = federation.Scope{By: "region", Value: "eu-central"}
	case json.RawMessage:
		value = json.RawMessage(`{"a":1}`)
	default:
		return false
	}
	v.Set(reflect.ValueOf(value))
	return true
}

// leftOut names the fields that do not travel.
func leftOut(t reflect.Type, field string) bool {
	switch t {
	case reflect.TypeFor[federation.Workload](), reflect.TypeFor[federation.Event](), reflect.TypeFor[federation.StatusRule]():
		return field == "Revision"
	}
	return false
}

func TestDecodeRefuses(t *testing.T) {
	valid := EncodeBeat(federation.Beat{Member: "tokyo"})
	for _, c := range codecs() {
		if _, err := c.decode([]byte{0xff, 0xff, 0xff}); err == nil {
			t.Errorf("%s: garbage was accepted", c.name)
		}
	}
	if _, err := DecodeBeat(nil); err == nil || !strings.Contains(err.Error(), "member must be set") {
		t.Errorf("a beat of nobody: got %v", err)
	}
	if _, err := DecodeBeat(valid); err != nil {
		t.Errorf("a valid beat was refused: %v", err)
	}
	bad := encode(&HealthRecord{Member: "tokyo", Health: "Fine"})
	if _, err := DecodeHealthRecord(bad); err == nil || !strings.Contains(err.Error(), `health "Fine"`) {
		t.Errorf("an unknown health: got %v", err)
	}
}

func TestTextThatIsNotUTF8IsMended(t *testing.T) {
	s, err := DecodeWorkStatus(EncodeWorkStatus(federation.WorkStatus{
		Workload: federation.Key{Namespace: "shop", Name: "web"}, Member: "tokyo", Message: "bad \xff byte",
		Objects: []federation.ObjectStatus{{ID: "x", Message: "\xfe"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if s.Message != "bad \uFFFD byte" || s.Objects[0].Message != "\uFFFD" {
		t.Errorf("got %q and %q", s.Message, s.Objects[0].Message)
	}
}

func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i, c := range codecs() {
		v := reflect.New(c.sample).Elem()
		fill(rng, v)
		f.Add(i, c.encode(v.Interface()))
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		all := codecs()
		c := all[((i%len(all))+len(all))%len(all)]
		v, err := c.decode(b)
		if err != nil {
			return
		}
		again, err := c.decode(c.encode(v))
		if err != nil {
			t.Fatalf("%s: what was decoded cannot be encoded and decoded: %v", c.name, err)
		}
		if !bytes.Equal(c.encode(again), c.encode(v)) {
			t.Fatalf("%s: not stable", c.name)
		}
	})
}
