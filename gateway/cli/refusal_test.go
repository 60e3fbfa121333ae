package cli

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestExplainMakesOneLineWithWhatToDo(t *testing.T) {
	const down = `gateway g:1 does not answer: is the federation up? try "hansa status" or "hansa up"`
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("own"), "own"},
		{status.Error(codes.InvalidArgument, "web.yaml:3: wrong"), "web.yaml:3: wrong"},
		{fmt.Errorf("create a token for x: %w", status.Error(codes.AlreadyExists, "member x exists")), "create a token for x: member x exists"},
		{status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp: refused"`), down},
		{status.Error(codes.Unavailable, "error reading from server: EOF"), down},
		{status.Error(codes.Unavailable, ""), down},
		{status.Error(codes.Unavailable, "no hub leads: wait"), "no hub leads: wait"},
		{
			status.Error(codes.Unavailable, `connection error: desc = "transport: authentication handshake failed: tls: unknown authority"`),
			"gateway g:1 cannot be trusted: tls: unknown authority: does the context file belong to this federation?",
		},
		{status.Error(codes.DeadlineExceeded, "context deadline exceeded"), `gateway g:1 did not answer in time: look with "hansa status", then try again`},
		{status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"), "the request is larger than the gateway takes: apply fewer or smaller files at once"},
		{status.Error(codes.ResourceExhausted, "too many requests: wait 2 s"), "too many requests: wait 2 s"},
		{status.Error(codes.Internal, ""), "Internal"},
		{status.Error(codes.Unimplemented, "unknown method"), `gateway g:1 does not know this request: is it older than this hansa? compare with "hansa status"`},
	} {
		if got := Explain(c.err, "g:1").Error(); got != c.want {
			t.Errorf("%v\ngot  %s\nwant %s", c.err, got, c.want)
		}
	}
}
