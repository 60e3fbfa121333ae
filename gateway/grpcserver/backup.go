package grpcserver

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Bounds of the requests of a backup and a restore to the hub.
const (
	maxPart       = 1 << 20          // bytes handed to the hub at a time
	partWithin    = 30 * time.Second // a part
	checkWithin   = 10 * time.Minute // reading a whole backup
	watchWithin   = 2 * time.Second
	watchEvery    = 200 * time.Millisecond
	restoreWithin = 30 * time.Minute
)

// Backup hands on the parts of a backup as the hub makes them.
func (s *Server) Backup(_ *gatewayv1.BackupRequest, stream grpc.ServerStreamingServer[gatewayv1.BackupResponse]) error {
	ask := federation.BackupRequest{}
	for ; ; ask.Chunk++ {
		reply, err := s.backupPart(stream.Context(), ask)
		if err != nil {
			return err
		}
		if err := stream.Send(&gatewayv1.BackupResponse{Data: reply.Data}); err != nil {
			return err
		}
		if reply.Last {
			return nil
		}
		ask.Session = reply.Session
	}
}

// backupPart asks a second time when an answer may have been lost.
func (s *Server) backupPart(ctx context.Context, r federation.BackupRequest) (federation.BackupReply, error) {
	b, err := s.hubWithin(ctx, partWithin, subject.HubBackup, federationv1.EncodeBackupRequest(r))
	if errors.Is(err, messaging.ErrTimeout) && ctx.Err() == nil && r.Session != "" {
		b, err = s.hubWithin(ctx, partWithin, subject.HubBackup, federationv1.EncodeBackupRequest(r))
	}
	if err != nil {
		return federation.BackupReply{}, err
	}
	return federationv1.DecodeBackupReply(b)
}

func (s *Server) hubWithin(ctx context.Context, limit time.Duration, method string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.opts.Hub.Request(ctx, subject.Hub(method), request)
}

func (s *Server) restoreStep(ctx context.Context, limit time.Duration, r federation.RestoreRequest) (federation.RestoreReply, error) {
	b, err := s.hubWithin(ctx, limit, subject.HubRestore, federationv1.EncodeRestoreRequest(r))
	if err != nil {
		return federation.RestoreReply{}, err
	}
	return federationv1.DecodeRestoreReply(b)
}

// Restore hands the parts of a backup to the hub. Unless it is a dry run it returns when
// the records are those of the backup and the hub leads again.
func (s *Server) Restore(stream grpc.ClientStreamingServer[gatewayv1.RestoreRequest, gatewayv1.RestoreResponse]) error {
	ctx := stream.Context()
	opened, err := s.restoreStep(ctx, partWithin, federation.RestoreRequest{Action: federation.RestoreOpen})
	if err != nil {
		return err
	}
	dryRun, err := s.receive(stream, opened.Session)
	if err != nil {
		s.dropUpload(ctx, opened.Session)
		return err
	}
	action := federation.RestoreCommit
	if dryRun {
		action = federation.RestorePlan
	}
	done, err := s.restoreStep(ctx, checkWithin, federation.RestoreRequest{Action: action, Session: opened.Session, Who: who(ctx)})
	if err != nil {
		return err
	}
	out := toRestored(done.Changes)
	if !dryRun {
		if out.Term, err = s.awaitRestored(ctx, done); err != nil {
			return err
		}
	}
	return stream.SendAndClose(out)
}

// receive takes the parts until the caller has sent all.
func (s *Server) receive(stream grpc.ClientStreamingServer[gatewayv1.RestoreRequest, gatewayv1.RestoreResponse], session string) (dryRun bool, err error) {
	var offset int64
	for first := true; ; first = false {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return dryRun, nil
		}
		if err != nil {
			return dryRun, err
		}
		if first {
			dryRun = part.GetDryRun()
		}
		for data := part.GetData(); len(data) > 0; data = data[min(len(data), maxPart):] {
			piece := data[:min(len(data), maxPart)]
			_, err := s.restoreStep(stream.Context(), partWithin, federation.RestoreRequest{
				Action: federation.RestoreWrite, Session: session, Offset: offset, Data: piece,
			})
			if err != nil {
				return dryRun, err
			}
			offset += int64(len(piece))
		}
	}
}

// dropUpload forgets what was sent; the hub does so by itself after a while.
func (s *Server) dropUpload(ctx context.Context, session string) {
	_, _ = s.restoreStep(context.WithoutCancel(ctx), watchWithin, federation.RestoreRequest{Action: federation.RestoreDrop, Session: session})
}

// awaitRestored waits until a hub leads that began after the restore, and returns its
// term. A hub that is between two terms does not answer; it is asked again.
func (s *Server) awaitRestored(ctx context.Context, begun federation.RestoreReply) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, restoreWithin)
	defer cancel()
	for {
		reply, err := s.restoreStep(ctx, watchWithin, federation.RestoreRequest{Action: federation.RestoreWatch, Digest: begun.Digest})
		switch {
		case err == nil && reply.State == federation.RestoreDone && reply.Term > begun.Term:
			return reply.Term, nil
		case err == nil && reply.State == federation.RestoreWanted:
			return 0, messaging.Errorf(messaging.Unavailable, "the restore was interrupted, and the hub that leads now has not the backup: restore it again")
		case err == nil && reply.State == federation.RestoreUnknown:
			return 0, messaging.Errorf(messaging.Unavailable, "the restore was replaced by another one: see \"hansa get events\"")
		}
		select {
		case <-ctx.Done():
			return 0, messaging.Errorf(messaging.Unavailable, "the restore has begun and not ended in time; it goes on: see \"hansa status\"")
		case <-time.After(watchEvery):
		}
	}
}

func toRestored(c federation.Changes) *gatewayv1.RestoreResponse {
	out := &gatewayv1.RestoreResponse{
		MadeAt: toTime(c.At), Version: c.Version, BackupTerm: c.Term, Records: map[string]int64{}, Unlisted: c.Unlisted,
	}
	for _, n := range c.Counts {
		out.Records[n.Bucket] = n.Records
	}
	for _, x := range c.List {
		out.Changes = append(out.Changes, &gatewayv1.RestoreChange{Kind: x.Kind, Name: x.Name, Action: x.Do, Note: x.Note})
	}
	return out
}
