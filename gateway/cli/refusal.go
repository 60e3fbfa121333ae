package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Explain turns an error of a request into one line for people: what was wrong
// and what to do. What the gateway itself says is kept as it is, and so is text
// that wraps the error. Other errors are returned unchanged.
func Explain(err error, gateway string) error {
	var carrier interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &carrier) {
		return err
	}
	s := carrier.GRPCStatus()
	return errors.New(strings.Replace(err.Error(), s.Err().Error(), sentence(s, gateway), 1))
}

// transport are the beginnings of messages that gRPC makes on this side.
var transport = []string{"connection error:", "error reading from server", "name resolver error", "closing transport", "transport is closing", "the connection is draining", "no children"}

func sentence(s *status.Status, gateway string) string {
	text := strings.TrimSpace(s.Message())
	switch s.Code() {
	case codes.Unavailable:
		return unavailable(text, gateway)
	case codes.DeadlineExceeded:
		return fmt.Sprintf("gateway %s did not answer in time: look with \"hansa status\", then try again", gateway)
	case codes.Unauthenticated, codes.PermissionDenied:
		return text + ": check tokenFile in the context file, or give --token-file"
	case codes.Unimplemented:
		return fmt.Sprintf("gateway %s does not know this request: is it older than this hansa? compare with \"hansa status\"", gateway)
	case codes.ResourceExhausted:
		if strings.HasPrefix(text, "grpc:") {
			return "the request is larger than the gateway takes: apply fewer or smaller files at once"
		}
	case codes.Canceled:
		return "interrupted"
	}
	if text == "" {
		return s.Code().String()
	}
	return text
}

// unavailable tells a gateway that says "not now" from none at all.
func unavailable(text, gateway string) string {
	own := true
	for _, t := range transport {
		own = own && !strings.HasPrefix(text, t)
	}
	switch {
	case own && text != "":
		return text
	case strings.Contains(text, "authentication handshake failed"):
		_, cause, _ := strings.Cut(text, "authentication handshake failed: ")
		return fmt.Sprintf("gateway %s cannot be trusted: %s: does the context file belong to this federation?", gateway, strings.TrimSuffix(cause, "\""))
	}
	return fmt.Sprintf("gateway %s does not answer: is the federation up? try \"hansa status\" or \"hansa up\"", gateway)
}

// explain is Explain for the gateway that was asked, and for an interrupted run.
func (a *app) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled) {
		return errors.New("interrupted")
	}
	return Explain(err, a.used.Gateway)
}

// notFound reports whether the gateway does not know the thing.
func notFound(err error) bool { return status.Code(err) == codes.NotFound }
