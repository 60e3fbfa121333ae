package member

import (
	"context"
	"fmt"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/guard"
)

// attest answers another member's agent, which no hub answers.
func (a *Agent) attest(ctx context.Context, from string, body []byte) ([]byte, error) {
	ask, err := federationv1.DecodeAttestRequest(body)
	if err != nil {
		return nil, err
	}
	if ask.Member != from {
		return nil, fmt.Errorf("%s asks in the name of %s", from, ask.Member)
	}
	request, answer := a.attests.Open()
	defer a.attests.Close(request)
	a.tell(guard.AttestAsked{Request: request, Ask: ask})
	select {
	case reply := <-answer:
		return federationv1.EncodeAttestReply(reply), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// askPeers asks each peer for its word, and tells the guard of those that answer.
func (a *Agent) askPeers(ctx context.Context, e guard.AskPeers) {
	body := federationv1.EncodeAttestRequest(federation.AttestRequest{Member: a.opts.Name, Claims: e.Claims})
	for _, p := range e.Peers {
		go func() {
			ctx, cancel := context.WithTimeout(ctx, requestLimit)
			defer cancel()
			reply, err := a.askPeer(ctx, p, body)
			if err != nil {
				a.log.Debug("a peer attests nothing", "peer", p.Member, "reason", err)
				return
			}
			for _, no := range reply.Refused {
				a.log.Debug("a peer does not attest", "peer", p.Member, "workload", no.Workload.String(), "reason", no.Why)
			}
			a.tell(guard.PeerAnswered{Sequence: e.Sequence, Peer: p.Member, Reply: reply})
		}()
	}
}

func (a *Agent) askPeer(ctx context.Context, at federation.Peer, body []byte) (federation.AttestReply, error) {
	answer, err := a.peers.Ask(ctx, at, body)
	if err != nil {
		return federation.AttestReply{}, err
	}
	return federationv1.DecodeAttestReply(answer)
}
