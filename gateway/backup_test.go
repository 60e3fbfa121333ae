package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestBackup: the parts that the hub makes arrive in order, over both protocols, and at
// admins only.
func TestBackup(t *testing.T) {
	w := newWorld(t)
	parts := []string{"one ", "two ", "three"}
	w.hub(subject.HubBackup, func(b []byte) ([]byte, error) {
		r, err := federationv1.DecodeBackupRequest(b)
		if err != nil || r.Chunk > 0 && r.Session != "s1" || r.Chunk >= uint64(len(parts)) {
			return nil, messaging.Errorf(messaging.Invalid, "%+v: %v", r, err)
		}
		return federationv1.EncodeBackupReply(federation.BackupReply{
			Session: "s1", Data: []byte(parts[r.Chunk]), Last: int(r.Chunk) == len(parts)-1,
		}), nil
	})
	api := gatewayv1.NewBackupServiceClient(w.conn)
	stream, err := api.Backup(w.as(admin), &gatewayv1.BackupRequest{})
	must(t, err)
	got := ""
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		got += string(part.GetData())
	}
	if got != "one two three" {
		t.Errorf("got %q", got)
	}
	code, body := w.call(admin, http.MethodGet, "/v1/backup", nil)
	got = ""
	for _, line := range strings.Split(strings.TrimSpace(string(body)), "\n") {
		var part struct{ Result struct{ Data []byte } }
		must(t, json.Unmarshal([]byte(line), &part))
		got += string(part.Result.Data)
	}
	if code != http.StatusOK || got != "one two three" {
		t.Errorf("REST: %d %q", code, got)
	}
	if stream, err = api.Backup(w.as(operator), &gatewayv1.BackupRequest{}); err == nil {
		_, err = stream.Recv()
	}
	refused(t, err, codes.PermissionDenied, "olga may not do this: it needs the role admin")
	if code, _ := w.call(operator, http.MethodPost, "/v1/restore", nil); code != http.StatusForbidden {
		t.Errorf("an operator restores by REST: %d", code)
	}
}

// keeper is a hub that takes backups.
type keeper struct {
	mu      sync.Mutex
	got     []byte
	asked   []federation.RestoreRequest
	watched int
}

func (k *keeper) answer(b []byte) ([]byte, error) {
	r, err := federationv1.DecodeRestoreRequest(b)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	reply := federation.RestoreReply{Session: "s1", Term: 7}
	switch r.Action {
	case federation.RestoreOpen:
		k.got = nil
	case federation.RestoreWrite:
		if r.Offset != int64(len(k.got)) || len(r.Data) > 1<<20 {
			return nil, messaging.Errorf(messaging.Invalid, "%d bytes at %d, have %d", len(r.Data), r.Offset, len(k.got))
		}
		k.got = append(k.got, r.Data...)
	case federation.RestorePlan, federation.RestoreCommit:
		if bytes.HasPrefix(k.got, []byte("bad")) {
			return nil, messaging.Errorf(messaging.Invalid, "not a whole backup")
		}
		reply.Digest = "d1"
		reply.Changes = federation.Changes{
			Version: "v1", Term: 5, Counts: []federation.BucketCount{{Bucket: "workloads", Records: 2}},
			List: []federation.Change{{Kind: "workload", Name: "shop/web", Do: "changed"}}, Unlisted: 3,
		}
	case federation.RestoreWatch: // the first answer is that of the old term
		k.watched++
		reply.State = federation.RestoreRunning
		if k.watched > 1 {
			reply.State, reply.Term = federation.RestoreDone, 9
		}
	}
	k.asked = append(k.asked, r)
	return federationv1.EncodeRestoreReply(reply), nil
}

// TestRestore: a backup reaches the hub in parts that fit, and the answer comes when a
// new term has begun.
func TestRestore(t *testing.T) {
	w := newWorld(t)
	k := &keeper{}
	w.hub(subject.HubRestore, k.answer)
	api := gatewayv1.NewBackupServiceClient(w.conn)
	send := func(dryRun bool, parts ...[]byte) (*gatewayv1.RestoreResponse, error) {
		t.Helper()
		stream, err := api.Restore(w.as(admin))
		must(t, err)
		for i, part := range parts {
			must(t, stream.Send(&gatewayv1.RestoreRequest{Data: part, DryRun: dryRun && i == 0}))
		}
		return stream.CloseAndRecv()
	}
	large := bytes.Repeat([]byte("0123456789"), 300_000)
	plan, err := send(true, large, []byte("end"))
	must(t, err)
	if plan.GetTerm() != 0 || plan.GetRecords()["workloads"] != 2 || plan.GetUnlisted() != 3 || plan.GetChanges()[0].GetAction() != "changed" || len(k.got) != len(large)+3 {
		t.Errorf("%d bytes arrived, and the plan is %v", len(k.got), plan)
	}
	if k.watched != 0 {
		t.Error("a dry run waits for a restore")
	}
	done, err := send(false, []byte("small"))
	must(t, err)
	if done.GetTerm() != 9 || k.watched != 2 {
		t.Errorf("after %d questions: %v", k.watched, done)
	}
	for _, r := range k.asked {
		if r.Action == federation.RestoreCommit && r.Who != "anna" {
			t.Errorf("%q restores", r.Who)
		}
	}
	_, err = send(false, []byte("bad"))
	refused(t, err, codes.InvalidArgument, "not a whole backup")
	code, body := w.call(admin, http.MethodPost, "/v1/restore", map[string]any{"data": []byte("rest"), "dryRun": true})
	if code != http.StatusOK || !strings.Contains(string(body), `"unlisted":"3"`) || string(k.got) != "rest" {
		t.Errorf("REST: %d %s, the hub got %q", code, body, k.got)
	}
}
