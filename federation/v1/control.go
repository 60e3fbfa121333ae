package federationv1

import (
	"github.com/hansa-io/hansa/federation"
)

// EncodeProbeRequest writes a ProbeRequest.
func EncodeProbeRequest(r federation.ProbeRequest) []byte {
	return encode(&ProbeRequest{Member: r.Member, Url: r.URL, Ca: r.CA, IngressAt: r.IngressAt, AgentAt: r.AgentAt, Timeout: fromDuration(r.Timeout), Survey: r.Survey})
}

// DecodeProbeRequest reads what EncodeProbeRequest wrote.
func DecodeProbeRequest(b []byte) (federation.ProbeRequest, error) {
	return decode("probe request", b, &ProbeRequest{}, func(m *ProbeRequest) (federation.ProbeRequest, error) {
		return federation.ProbeRequest{
			Member: m.GetMember(), URL: m.GetUrl(), CA: m.GetCa(), IngressAt: m.GetIngressAt(), AgentAt: m.GetAgentAt(),
			Timeout: toDuration(m.GetTimeout()), Survey: m.GetSurvey(),
		}, named("member", m.GetMember())
	})
}

// EncodeProbeReply writes a ProbeReply.
func EncodeProbeReply(r federation.ProbeReply) []byte {
	return encode(&ProbeReply{
		Member: r.Member, Signal: uint32(r.Signal), Detail: r.Detail, RoundTrip: fromDuration(r.RoundTrip), Survey: r.Survey,
		Ingress: uint32(r.Ingress), IngressDetail: r.IngressDetail, Agent: uint32(r.Agent), AgentDetail: r.AgentDetail,
	})
}

// DecodeProbeReply reads what EncodeProbeReply wrote.
func DecodeProbeReply(b []byte) (federation.ProbeReply, error) {
	return decode("probe reply", b, &ProbeReply{}, func(m *ProbeReply) (federation.ProbeReply, error) {
		s, err := eachErr([]uint32{m.GetSignal(), m.GetIngress(), m.GetAgent()}, toSignal)
		if err != nil {
			return federation.ProbeReply{}, err
		}
		return federation.ProbeReply{
			Member: m.GetMember(), Signal: s[0], Detail: m.GetDetail(), RoundTrip: toDuration(m.GetRoundTrip()), Survey: m.GetSurvey(),
			Ingress: s[1], IngressDetail: m.GetIngressDetail(), Agent: s[2], AgentDetail: m.GetAgentDetail(),
		}, nil
	})
}

// EncodeCertificateRequest writes a CertificateRequest.
func EncodeCertificateRequest(r federation.CertificateRequest) []byte {
	return encode(&CertificateRequest{Member: r.Member, PublicKey: r.PublicKey})
}

// DecodeCertificateRequest reads what EncodeCertificateRequest wrote.
func DecodeCertificateRequest(b []byte) (federation.CertificateRequest, error) {
	return decode("certificate request", b, &CertificateRequest{}, func(m *CertificateRequest) (federation.CertificateRequest, error) {
		return federation.CertificateRequest{Member: m.GetMember(), PublicKey: m.GetPublicKey()}, named("member", m.GetMember())
	})
}

// EncodeCertificateReply writes a CertificateReply.
func EncodeCertificateReply(r federation.CertificateReply) []byte {
	return encode(&CertificateReply{Certificate: r.Certificate, Ca: r.CA})
}

// DecodeCertificateReply reads what EncodeCertificateReply wrote.
func DecodeCertificateReply(b []byte) (federation.CertificateReply, error) {
	return decode("certificate reply", b, &CertificateReply{}, func(m *CertificateReply) (federation.CertificateReply, error) {
		return federation.CertificateReply{Certificate: m.GetCertificate(), CA: m.GetCa()}, nil
	})
}

// EncodeJoinRequest writes a JoinRequest.
func EncodeJoinRequest(r federation.JoinRequest) []byte {
	return encode(&JoinRequest{
		TokenId: r.TokenID, TokenSecret: r.TokenSecret, Member: r.Member, Place: fromPlace(r.Place), Labels: r.Labels,
		ClusterId: r.ClusterID, ProbeUrl: r.ProbeURL, ProbeCa: r.ProbeCA, UserKey: r.UserKey, SealKey: r.SealKey, Version: r.Version,
		Federation: r.Federation,
	})
}

// DecodeJoinRequest reads what EncodeJoinRequest wrote.
func DecodeJoinRequest(b []byte) (federation.JoinRequest, error) {
	return decode("join request", b, &JoinRequest{}, func(m *JoinRequest) (federation.JoinRequest, error) {
		return federation.JoinRequest{
			TokenID: m.GetTokenId(), TokenSecret: m.GetTokenSecret(), Member: m.GetMember(), Place: toPlace(m.GetPlace()),
			Labels: m.GetLabels(), ClusterID: m.GetClusterId(), ProbeURL: m.GetProbeUrl(), ProbeCA: m.GetProbeCa(),
			UserKey: m.GetUserKey(), SealKey: m.GetSealKey(), Version: m.GetVersion(),
			Federation: m.GetFederation(),
		}, named("member", m.GetMember())
	})
}

// EncodeJoinReply writes a JoinReply.
func EncodeJoinReply(r federation.JoinReply) []byte {
	return encode(&JoinReply{
		UserJwt: r.UserJWT, BusUrls: r.BusURLs, BusCa: r.BusCA, Account: r.Account, ExpiresAt: fromTime(r.ExpiresAt),
		Federation: r.Federation,
	})
}

// DecodeJoinReply reads what EncodeJoinReply wrote.
func DecodeJoinReply(b []byte) (federation.JoinReply, error) {
	return decode("join reply", b, &JoinReply{}, func(m *JoinReply) (federation.JoinReply, error) {
		return federation.JoinReply{
			UserJWT: m.GetUserJwt(), BusURLs: m.GetBusUrls(), BusCA: m.GetBusCa(), Account: m.GetAccount(),
			ExpiresAt: toTime(m.GetExpiresAt()), Federation: m.GetFederation(),
		}, named("account", m.GetAccount())
	})
}

// EncodeTokenRequest writes a TokenRequest.
func EncodeTokenRequest(r federation.TokenRequest) []byte {
	return encode(&TokenRequest{Member: r.Member, Ttl: fromDuration(r.TTL)})
}

// DecodeTokenRequest reads what EncodeTokenRequest wrote.
func DecodeTokenRequest(b []byte) (federation.TokenRequest, error) {
	return decode("token request", b, &TokenRequest{}, func(m *TokenRequest) (federation.TokenRequest, error) {
		return federation.TokenRequest{Member: m.GetMember(), TTL: toDuration(m.GetTtl())}, named("member", m.GetMember())
	})
}

// EncodeTokenReply writes a TokenReply.
func EncodeTokenReply(r federation.TokenReply) []byte {
	return encode(&TokenReply{Id: r.ID, Secret: r.Secret, ExpiresAt: fromTime(r.ExpiresAt)})
}

// DecodeTokenReply reads what EncodeTokenReply wrote.
func DecodeTokenReply(b []byte) (federation.TokenReply, error) {
	return decode("token reply", b, &TokenReply{}, func(m *TokenReply) (federation.TokenReply, error) {
		return federation.TokenReply{ID: m.GetId(), Secret: m.GetSecret(), ExpiresAt: toTime(m.GetExpiresAt())}, named("id", m.GetId())
	})
}

// EncodeTokensRequest writes a TokensRequest.
func EncodeTokensRequest(r federation.TokensRequest) []byte {
	return encode(&TokensRequest{Revoke: r.Revoke})
}

// DecodeTokensRequest reads what EncodeTokensRequest wrote.
func DecodeTokensRequest(b []byte) (federation.TokensRequest, error) {
	return decode("tokens request", b, &TokensRequest{}, func(m *TokensRequest) (federation.TokensRequest, error) {
		return federation.TokensRequest{Revoke: m.GetRevoke()}, nil
	})
}

// EncodeTokensReply writes a TokensReply.
func EncodeTokensReply(r federation.TokensReply) []byte {
	return encode(&TokensReply{Tokens: each(r.Tokens, fromToken)})
}

// DecodeTokensReply reads what EncodeTokensReply wrote.
func DecodeTokensReply(b []byte) (federation.TokensReply, error) {
	return decode("tokens reply", b, &TokensReply{}, func(m *TokensReply) (federation.TokensReply, error) {
		return federation.TokensReply{Tokens: each(m.GetTokens(), toToken)}, nil
	})
}

// EncodeToken writes a Token.
func EncodeToken(t federation.Token) []byte { return encode(fromToken(t)) }

// DecodeToken reads what EncodeToken wrote.
func DecodeToken(b []byte) (federation.Token, error) {
	return decode("token", b, &Token{}, func(m *Token) (federation.Token, error) {
		return toToken(m), named("id", m.GetId())
	})
}

func fromToken(t federation.Token) *Token {
	return &Token{Id: t.ID, Member: t.Member, SecretHash: t.SecretHash, ExpiresAt: fromTime(t.ExpiresAt), Used: t.Used}
}

func toToken(m *Token) federation.Token {
	return federation.Token{ID: m.GetId(), Member: m.GetMember(), SecretHash: m.GetSecretHash(), ExpiresAt: toTime(m.GetExpiresAt()), Used: m.GetUsed()}
}

// EncodeMemberChange writes a MemberChange.
func EncodeMemberChange(c federation.MemberChange) []byte {
	return encode(&MemberChange{Member: c.Member, Action: c.Action, Who: c.Who, Argument: c.Argument})
}

// DecodeMemberChange reads what EncodeMemberChange wrote.
func DecodeMemberChange(b []byte) (federation.MemberChange, error) {
	return decode("member change", b, &MemberChange{}, func(m *MemberChange) (federation.MemberChange, error) {
		return federation.MemberChange{
			Member: m.GetMember(), Action: m.GetAction(), Who: m.GetWho(), Argument: m.GetArgument(),
		}, named("member", m.GetMember())
	})
}

// EncodeDescribeRequest writes the name of the member to be described.
func EncodeDescribeRequest(member string) []byte { return encode(&DescribeRequest{Member: member}) }

// DecodeDescribeRequest reads what EncodeDescribeRequest wrote.
func DecodeDescribeRequest(b []byte) (string, error) {
	return decode("describe request", b, &DescribeRequest{}, func(m *DescribeRequest) (string, error) {
		return m.GetMember(), named("member", m.GetMember())
	})
}

// EncodeEvidence writes the evidence about a member.
func EncodeEvidence(list []federation.Evidence) []byte {
	return encode(&DescribeReply{Evidence: each(list, func(e federation.Evidence) *Evidence {
		return &Evidence{Observer: e.Observer, What: e.What, Signal: uint32(e.Signal), Age: fromDuration(e.Age), Detail: e.Detail}
	})})
}

// DecodeEvidence reads what EncodeEvidence wrote.
func DecodeEvidence(b []byte) ([]federation.Evidence, error) {
	return decode("evidence", b, &DescribeReply{}, func(m *DescribeReply) ([]federation.Evidence, error) {
		return eachErr(m.GetEvidence(), func(e *Evidence) (federation.Evidence, error) {
			s, err := toSignal(e.GetSignal())
			return federation.Evidence{
				Observer: e.GetObserver(), What: e.GetWhat(), Signal: s, Age: toDuration(e.GetAge()), Detail: e.GetDetail(),
			}, err
		})
	})
}

// EncodeRenewRequest writes a RenewRequest.
func EncodeRenewRequest(r federation.RenewRequest) []byte {
	return encode(&RenewRequest{
		Member: r.Member, Incarnation: uint64(r.Incarnation), Workload: fromKey(r.Workload), Epoch: uint64(r.Epoch), Held: r.Held, Sequence: r.Sequence,
		Peers: r.Peers,
	})
}

// DecodeRenewRequest reads what EncodeRenewRequest wrote.
func DecodeRenewRequest(b []byte) (federation.RenewRequest, error) {
	return decode("renew request", b, &RenewRequest{}, func(m *RenewRequest) (federation.RenewRequest, error) {
		key, err := toNamedKey(m.GetWorkload())
		return federation.RenewRequest{
			Member: m.GetMember(), Incarnation: federation.Incarnation(m.GetIncarnation()), Workload: key,
			Epoch: federation.Epoch(m.GetEpoch()), Held: m.GetHeld(), Sequence: m.GetSequence(), Peers: m.GetPeers(),
		}, err
	})
}
