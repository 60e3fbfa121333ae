package federationv1

import "github.com/hansa-io/hansa/federation"

// EncodeImportsRequest writes an ImportsRequest.
func EncodeImportsRequest(r federation.ImportsRequest) []byte {
	return encode(&ImportsRequest{Term: r.Term, Since: r.Since})
}

// DecodeImportsRequest reads what EncodeImportsRequest wrote.
func DecodeImportsRequest(b []byte) (federation.ImportsRequest, error) {
	return decode("imports request", b, &ImportsRequest{}, func(m *ImportsRequest) (federation.ImportsRequest, error) {
		return federation.ImportsRequest{Term: m.GetTerm(), Since: m.GetSince()}, nil
	})
}

// EncodeImportsReply writes an ImportsReply.
func EncodeImportsReply(r federation.ImportsReply) []byte {
	return encode(&ImportsReply{
		Term: r.Term, Revision: r.Revision, Anew: r.Anew, More: r.More, Exports: r.Exports,
		Sources: each(r.Sources, func(s federation.ImportSource) *ImportSource {
			return &ImportSource{Member: s.Member, State: string(s.State)}
		}),
	})
}

// DecodeImportsReply reads what EncodeImportsReply wrote. It does not look into the
// exports.
func DecodeImportsReply(b []byte) (federation.ImportsReply, error) {
	return decode("imports reply", b, &ImportsReply{}, func(m *ImportsReply) (federation.ImportsReply, error) {
		return federation.ImportsReply{
			Term: m.GetTerm(), Revision: m.GetRevision(), Anew: m.GetAnew(), More: m.GetMore(), Exports: m.GetExports(),
			Sources: each(m.GetSources(), func(s *ImportSource) federation.ImportSource {
				return federation.ImportSource{Member: s.GetMember(), State: federation.SourceState(s.GetState())}
			}),
		}, nil
	})
}
