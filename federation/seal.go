package federation

import "strings"

// Sealed is what only the holder of one curve key can read.
type Sealed struct {
	Recipient string // public curve key that it is sealed to
	Sender    string // public curve key of the sealing side, made for this one seal
	Box       []byte // nonce and ciphertext; nil when nothing is sealed
}

// Secrets is the plaintext of a Sealed: the Secrets among the objects of a work, whole,
// and which work of which member they belong to. Those of a workload's record have the
// Workload only.
type Secrets struct {
	Member           string
	Workload         Key
	Epoch            Epoch
	WorkloadRevision Revision
	Objects          []Object // in the order of the work's Secrets
}

// SealKeys is how gateways seal the Secrets in the records of workloads.
type SealKeys struct {
	Key    string // public curve key of the hubs
	Digest []byte // key of the digests; secret, known to hubs and gateways
}

// SealOffer tells the hub the curve key that an agent wants secrets sealed to. It is
// repeated: the store of the hub may have been put back to an older copy.
type SealOffer struct {
	Member      string
	Incarnation Incarnation
	Sequence    uint64 // orders the offers of one incarnation
	Key         string // public
}

// SealReply says what the hub made of a SealOffer.
type SealReply struct {
	// Settled: every work in the member's bucket is sealed to the offered key, so that
	// older keys open nothing that is still to come.
	Settled bool
}

// IsSecret reports whether the object is a Kubernetes Secret.
func (o Object) IsSecret() bool { return o.APIVersion == "v1" && strings.EqualFold(o.Kind, "Secret") }
