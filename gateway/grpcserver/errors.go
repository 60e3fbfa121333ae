package grpcserver

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hansa-io/hansa/messaging"
)

// byKind is the only place where a kind of error becomes a gRPC code.
var byKind = map[messaging.Kind]codes.Code{
	messaging.Invalid:      codes.InvalidArgument,
	messaging.NotFound:     codes.NotFound,
	messaging.Exists:       codes.AlreadyExists,
	messaging.Conflict:     codes.Aborted,
	messaging.Refused:      codes.FailedPrecondition,
	messaging.Denied:       codes.PermissionDenied,
	messaging.Unavailable:  codes.Unavailable,
	messaging.InternalKind: codes.Internal,
}

// ToStatus maps any error of a handler to a status with one line of text.
func ToStatus(err error) error {
	var remote *messaging.RemoteError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &remote):
		return status.Error(byKind[remote.Kind], remote.Text)
	case errors.Is(err, messaging.ErrNoResponder):
		return status.Error(codes.Unavailable, "no hub answers: it may be starting, or down: try again, or see \"hansa status\"")
	case errors.Is(err, messaging.ErrTimeout):
		return status.Error(codes.Unavailable, "the hub or the bus did not answer in time: try again")
	case errors.Is(err, messaging.ErrNoRoom):
		return status.Error(codes.Unavailable, err.Error())
	case errors.Is(err, messaging.ErrDisconnected), errors.Is(err, messaging.ErrUnknown):
		return status.Error(codes.Unavailable, "the bus cannot be reached: "+err.Error())
	case errors.Is(err, messaging.ErrTooLarge):
		return status.Error(codes.InvalidArgument, err.Error())
	case errors.Is(err, messaging.ErrConflict):
		return status.Error(codes.Aborted, err.Error()+": somebody else was first: try again")
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "the caller went away")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "not done in time: try again")
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Internal, err.Error())
}

// Count takes the outcome of a unary request that began at begin.
func (s *Server) Count(method string, begin time.Time, err error) {
	s.opts.Measure.Request(method, status.Code(err), max(1, time.Since(begin)))
}

// CountStream takes the outcome of a stream.
func (s *Server) CountStream(method string, err error) {
	s.opts.Measure.Request(method, status.Code(err), 0)
}

func (s *Server) countUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	begin := time.Now()
	resp, err := next(ctx, req)
	s.Count(info.FullMethod, begin, err)
	return resp, err
}

func (s *Server) countStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	err := next(srv, stream)
	s.CountStream(info.FullMethod, err)
	return err
}

func mapUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	resp, err := next(ctx, req)
	return resp, ToStatus(err)
}

func mapStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return ToStatus(next(srv, stream))
}
