package httpserver

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-io/hansa/gateway/grpcserver"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// inProcess is a grpc.ClientConnInterface that calls a Server's methods in the
// process: the JSON side is a client like any other, without a connection.
type inProcess struct {
	server *grpcserver.Server
	desc   map[string]entry
}

// entry is one method by its full name.
type entry struct {
	unary  *grpc.MethodDesc
	stream *grpc.StreamDesc
}

var _ grpc.ClientConnInterface = (*inProcess)(nil)

// services lists the methods of the services that have a JSON mapping.
func services() map[string]entry {
	out := map[string]entry{}
	for _, d := range []*grpc.ServiceDesc{
		&gatewayv1.DiscoveryService_ServiceDesc, &gatewayv1.WorkloadsService_ServiceDesc, &gatewayv1.MembersService_ServiceDesc,
		&gatewayv1.RecoveryService_ServiceDesc, &gatewayv1.EventsService_ServiceDesc, &gatewayv1.BackupService_ServiceDesc,
	} {
		for i := range d.Methods {
			out["/"+d.ServiceName+"/"+d.Methods[i].MethodName] = entry{unary: &d.Methods[i]}
		}
		for i := range d.Streams {
			out["/"+d.ServiceName+"/"+d.Streams[i].StreamName] = entry{stream: &d.Streams[i]}
		}
	}
	return out
}

// incoming makes what the caller sent what the server receives, and settles who
// calls.
func (c *inProcess) incoming(ctx context.Context, method string) (context.Context, error) {
	md, _ := metadata.FromOutgoingContext(ctx)
	authorization := ""
	if values := md.Get("authorization"); len(values) > 0 {
		authorization = values[0]
	}
	return c.server.Authorize(metadata.NewIncomingContext(ctx, md), method, authorization)
}

// Invoke calls a unary method.
func (c *inProcess) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	e, ok := c.desc[method]
	if !ok || e.unary == nil {
		return unknownMethod(method)
	}
	begin := time.Now()
	err := c.call(ctx, method, args.(proto.Message), reply.(proto.Message))
	c.server.Count(method, begin, err)
	return err
}

func (c *inProcess) call(ctx context.Context, method string, args, reply proto.Message) error {
	ctx, err := c.incoming(ctx, method)
	if err != nil {
		return err
	}
	decode := func(into any) error {
		proto.Merge(into.(proto.Message), args)
		return nil
	}
	ctx, end := grpcserver.Begin(ctx, method)
	out, err := c.desc[method].unary.Handler(c.server, ctx, decode, nil)
	end(err)
	if err != nil {
		return grpcserver.ToStatus(err)
	}
	proto.Merge(reply, out.(proto.Message))
	return nil
}

// NewStream calls a method that sends many answers to one request, or one to many.
func (c *inProcess) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	e, ok := c.desc[method]
	if !ok || e.stream == nil {
		return nil, unknownMethod(method)
	}
	ctx, err := c.incoming(ctx, method)
	if err != nil {
		c.server.CountStream(method, err)
		return nil, err
	}
	p := &pipe{
		ctx: ctx, server: c.server, method: method, handler: e.stream.Handler,
		in: make(chan proto.Message), sent: make(chan struct{}), out: make(chan proto.Message), done: make(chan struct{}),
	}
	go p.serve()
	return p, nil
}

// pipe is both ends of a stream in the process: the client's as grpc.ClientStream,
// and the server's behind serverEnd.
type pipe struct {
	ctx     context.Context //nolint:containedctx // the interfaces ask for it
	server  *grpcserver.Server
	method  string
	handler grpc.StreamHandler
	in      chan proto.Message
	sent    chan struct{} // closed after the last request
	closing sync.Once     // of sent
	out     chan proto.Message
	done    chan struct{} // closed when the handler has returned
	err     error         // its error; read after done
}

// serve runs the handler.
func (p *pipe) serve() {
	defer close(p.done)
	p.err = grpcserver.ToStatus(p.handler(p.server, serverEnd{p}))
	p.server.CountStream(p.method, p.err)
}

// SendMsg hands a request to the handler; io.EOF when that has returned already.
func (p *pipe) SendMsg(m any) error {
	select {
	case p.in <- proto.Clone(m.(proto.Message)):
		return nil
	case <-p.done:
		return io.EOF
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// CloseSend says that no request follows.
func (p *pipe) CloseSend() error {
	p.closing.Do(func() { close(p.sent) })
	return nil
}

// RecvMsg waits for the next answer.
func (p *pipe) RecvMsg(m any) error {
	select {
	case answer := <-p.out:
		proto.Merge(m.(proto.Message), answer)
		return nil
	case <-p.done:
		if p.err != nil {
			return p.err
		}
		return io.EOF
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// Header returns no metadata.
func (p *pipe) Header() (metadata.MD, error) { return nil, nil }

// Trailer returns no metadata.
func (p *pipe) Trailer() metadata.MD { return nil }

// Context returns the caller's context.
func (p *pipe) Context() context.Context { return p.ctx }

// serverEnd is what the handler sees.
type serverEnd struct{ p *pipe }

// RecvMsg hands over the next request.
func (s serverEnd) RecvMsg(m any) error {
	select {
	case request := <-s.p.in:
		proto.Merge(m.(proto.Message), request)
		return nil
	case <-s.p.sent:
		return io.EOF
	case <-s.p.ctx.Done():
		return s.p.ctx.Err()
	}
}

// SendMsg hands an answer to the client.
func (s serverEnd) SendMsg(m any) error {
	select {
	case s.p.out <- proto.Clone(m.(proto.Message)):
		return nil
	case <-s.p.ctx.Done():
		return s.p.ctx.Err()
	}
}

// SetHeader drops metadata.
func (serverEnd) SetHeader(metadata.MD) error { return nil }

// SendHeader drops metadata.
func (serverEnd) SendHeader(metadata.MD) error { return nil }

// SetTrailer drops metadata.
func (serverEnd) SetTrailer(metadata.MD) {}

// Context returns the caller's context.
func (s serverEnd) Context() context.Context { return s.p.ctx }
