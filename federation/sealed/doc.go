// Package sealed is the form in which a work's Secrets travel from the hub to a
// member and lie in the store between them.
//
// A sealed work has of each Secret the kind, namespace and name only: no data, no
// labels, and no annotations, since kubectl's last-applied annotation repeats the
// data. The whole objects are in one ciphertext beside them (federation.Sealed),
// which only the agent can open that holds the curve key it is sealed to. There is
// no hash of them anywhere: a short secret is found again by its hash.
//
// What is sealed says which work it is of: member, workload, epoch, revision, and
// the names of the Secrets. Open compares that with the work around it, so that the
// ciphertext of another work, or of an older version, is refused. It opens all of a
// work or nothing of it.
//
// Two things it does not do. It says nothing about who sealed (see package
// messaging/nats/seal for why). And only Secrets of the API group "v1" are sealed:
// a password in a Deployment's environment travels as it is.
//
// How keys change: a member's record names the key of its agent (SealKey), and the
// key that all its works are known to be sealed to (SealedTo). While they differ,
// package decision sends the works again; the agent keeps its older keys until the
// hub says that it has.
package sealed
