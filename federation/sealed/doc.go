// Package sealed is the form in which Secrets travel from a gateway by the hub to a
// member, and lie in the store between them.
//
// A sealed work, or record of a workload, has of each Secret the kind, namespace and name only: no data, no
// labels, and no annotations, since kubectl's last-applied annotation repeats the
// data. The whole objects are in one ciphertext beside them (federation.Sealed),
// which only who holds the curve key can open that it is sealed to: the hubs, in the
// record that a gateway writes; the agent of one member, in a work that a hub writes.
// The hub has Secrets in memory only, and a gateway while it writes them.
//
// There is no plain hash of them anywhere, since a short secret is found again by its
// hash. A gateway must tell whether an apply changes a Secret that it cannot read: a
// record has a digest (HMAC-SHA256 over the Secrets and the workload's name) under a
// key that hubs and gateways have and the store has not. Equal digests tell that a
// workload has the same Secrets as before, and nothing across workloads.
//
// What is sealed in a work says which work it is of: member, workload, epoch, revision,
// and the names of the Secrets. Open compares that with the work around it, so that the
// ciphertext of another work, or of an older version, is refused. It opens all of a
// work or nothing of it. A record is written before it has a revision, so what is
// sealed in it says only which workload it is of.
//
// Two things it does not do. It says nothing about who sealed (see package
// messaging/nats/seal for why). And only Secrets of the API version "v1" are sealed:
// a password in a Deployment's environment, or in an override of a Placement, travels
// as it is.
//
// How keys change: a member's record names the key of its agent (SealKey), and the
// key that all its works are known to be sealed to (SealedTo). While they differ,
// package decision sends the works again; the agent keeps its older keys until the
// hub says that it has.
package sealed
