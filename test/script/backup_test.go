package script

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansa-io/hansa/federation/archive"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// backups hands out one canned backup, the fourth time without its end, and takes any.
type backups struct {
	gatewayv1.UnimplementedBackupServiceServer

	mu       sync.Mutex
	sent     int
	restored bool
}

var backedUp = archive.Header{At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Version: "v1.2.3", Term: 7}

// Backup sends the backup in parts of some bytes.
func (s *backups) Backup(_ *gatewayv1.BackupRequest, stream grpc.ServerStreamingServer[gatewayv1.BackupResponse]) error {
	s.mu.Lock()
	s.sent++
	cut := s.sent == 4
	s.mu.Unlock()
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, backedUp)
	for _, r := range []archive.Record{
		{Bucket: archive.Keys, Key: "operator.nk", Value: []byte("a key")},
		{Bucket: "workloads", Key: "shop.web", Revision: 12, Value: []byte("web")},
		{Bucket: "workloads", Key: "shop.cart", Revision: 13, Value: []byte("cart")},
	} {
		if err == nil {
			err = w.Record(r)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return err
	}
	if cut {
		out.Truncate(out.Len() - 10)
	}
	for part := make([]byte, 50); ; {
		n, err := out.Read(part)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err := stream.Send(&gatewayv1.BackupResponse{Data: part[:n]}); err != nil {
			return err
		}
	}
}

// Restore takes a whole backup; after the first one nothing changes any more.
func (s *backups) Restore(stream grpc.ClientStreamingServer[gatewayv1.RestoreRequest, gatewayv1.RestoreResponse]) error {
	var file bytes.Buffer
	dryRun := false
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		dryRun = dryRun || part.GetDryRun()
		file.Write(part.GetData())
	}
	sum, err := archive.Verify(&file)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &gatewayv1.RestoreResponse{MadeAt: timestamppb.New(sum.Header.At), Version: sum.Header.Version, BackupTerm: sum.Header.Term, Records: sum.Counts}
	if !s.restored {
		out.Changes = []*gatewayv1.RestoreChange{
			{Kind: "workload", Name: "shop/cart", Action: "added"},
			{Kind: "workload", Name: "shop/new", Action: "removed", Note: "made after the backup; it goes on running (tokyo 2), and nobody manages it until it is applied again"},
			{Kind: "member", Name: "osaka", Action: "removed", Note: "it joined after the backup"},
		}
		out.Unlisted = 2
	}
	if !dryRun {
		s.restored, out.Term = true, 9
	}
	return stream.SendAndClose(out)
}
