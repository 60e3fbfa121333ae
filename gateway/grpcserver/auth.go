package grpcserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hansa-io/hansa/configs"
)

// Role is what a caller may do; each includes the ones before it.
type Role int

// The roles.
const (
	Viewer   Role = iota + 1 // reads
	Operator                 // changes desired state, runs operations
	Admin                    // admits and removes members, has and restores the whole state
)

var roles = map[string]Role{"viewer": Viewer, "operator": Operator, "admin": Admin}

// caller is a known identity.
type caller struct {
	name string
	role Role
	hash [sha256.Size]byte
}

// Tokens knows the callers.
type Tokens struct{ callers []caller }

// tokensFile is the file of LoadTokens.
type tokensFile struct {
	Tokens []struct {
		Name  string `yaml:"name"`
		Role  string `yaml:"role"`
		Token string `yaml:"token"`
	} `yaml:"tokens"`
}

// minToken is the shortest token that is let in, in characters.
const minToken = 16

// LoadTokens reads the file that lists who may call: "tokens", a list of name,
// role (viewer, operator, admin) and token.
func LoadTokens(path string) (*Tokens, error) {
	var file tokensFile
	if err := configs.Load(path, &file); err != nil {
		return nil, fmt.Errorf("read who may call: %w", err)
	}
	t := &Tokens{}
	for i, entry := range file.Tokens {
		role, ok := roles[entry.Role]
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: tokens[%d].role %q: want viewer, operator or admin", path, i, entry.Role)
		case entry.Name == "":
			return nil, fmt.Errorf("%s: tokens[%d].name must be set", path, i)
		case len(entry.Token) < minToken:
			return nil, fmt.Errorf("%s: tokens[%d].token of %s is shorter than %d characters", path, i, entry.Name, minToken)
		}
		t.callers = append(t.callers, caller{name: entry.Name, role: role, hash: sha256.Sum256([]byte(entry.Token))})
	}
	return t, nil
}

// find returns the caller with the token. All are compared, so that the time
// tells nothing.
func (t *Tokens) find(token string) (caller, bool) {
	hash := sha256.Sum256([]byte(token))
	var found caller
	ok := false
	for _, c := range t.callers {
		if subtle.ConstantTimeCompare(hash[:], c.hash[:]) == 1 {
			found, ok = c, true
		}
	}
	return found, ok
}

// Why a caller is not known.
var (
	errNoToken  = errors.New("no token: send \"authorization: Bearer TOKEN\"")
	errNotKnown = errors.New("the token is not known to this gateway")
)

// caller returns who sent the header.
func (t *Tokens) caller(authorization string) (caller, error) {
	token, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok {
		return caller{}, errNoToken
	}
	c, ok := t.find(token)
	if !ok {
		return caller{}, errNotKnown
	}
	return c, nil
}

// Identify returns the name and the role of who sent the header "authorization".
func (t *Tokens) Identify(authorization string) (string, Role, error) {
	c, err := t.caller(authorization)
	return c.name, c.role, err
}

// open are the services that need no identity.
var open = []string{"/hansa.gateway.v1.JoinService/", "/grpc.health.v1.Health/", "/grpc.reflection."}

// needed says which role a method needs.
func needed(method string) Role {
	name := method[strings.LastIndex(method, "/")+1:]
	switch name {
	case "CreateToken", "ListTokens", "RevokeToken", "UpdateMember", "Backup", "Restore":
		return Admin
	case "Apply", "Delete", "StartOperation", "AbortOperation", "ApproveOperation", "Freeze", "Rebalance", "SetScore":
		return Operator
	}
	return Viewer
}

type callerKey struct{}

// who names the caller of a request.
func who(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.name
}

// Authorize settles who calls the method, and whether they may. The context it
// returns carries the name.
func (s *Server) Authorize(ctx context.Context, method, authorization string) (context.Context, error) {
	for _, prefix := range open {
		if strings.HasPrefix(method, prefix) {
			return ctx, nil
		}
	}
	c, err := s.opts.Tokens.caller(authorization)
	if err != nil {
		return ctx, status.Error(codes.Unauthenticated, err.Error())
	}
	if need := needed(method); c.role < need {
		return ctx, status.Errorf(codes.PermissionDenied, "%s may not do this: it needs the role %s", c.name, roleName(need))
	}
	return context.WithValue(ctx, callerKey{}, c), nil
}

// String is the role's name.
func (r Role) String() string { return roleName(r) }

func roleName(r Role) string {
	for name, role := range roles {
		if role == r {
			return name
		}
	}
	return "none"
}

func (s *Server) authorize(ctx context.Context, method string) (context.Context, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	return s.Authorize(ctx, method, strings.Join(md.Get("authorization"), ","))
}

func (s *Server) authorizeUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, err := s.authorize(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func (s *Server) authorizeStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, err := s.authorize(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return next(srv, authorized{ServerStream: stream, ctx: ctx})
}

// authorized is a stream whose context knows the caller.
type authorized struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // the interface asks for it
}

// Context returns the context that knows the caller.
func (a authorized) Context() context.Context { return a.ctx }
