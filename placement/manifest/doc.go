// Package manifest reads Kubernetes objects as users write them: what they ask
// for (DemandOf), what they need beside them (Dependencies), and how they look
// in one member (Render).
//
// Words:
//
//	component  an object that makes pods, with its number of replicas
//	lead       the component with most replicas; its total is what is divided
//
// Demand of several components. A workload has one replica count. It is the
// lead's; the others are divided in proportion to the lead's shares, and one
// replica's demand is the demand of all components divided by the lead's
// replicas, rounded up. A workload of one component, the usual case, is exact.
//
// Kinds. Deployment, ReplicaSet, StatefulSet and ReplicationController have
// replicas. A Job has parallelism, of which only as much as its completions can
// be used; a CronJob has that of its template. A Pod is one replica. A DaemonSet
// has a demand per node and no replica count. Other kinds ask for nothing: what
// a custom resource will start is not known here.
//
// What Render promises:
//
//  1. What the user wrote is not changed; results share no memory with it.
//  2. The sum over all members of a divided Deployment's replicas is its own
//     replicas, less what the assignment left unmet. The sum of a divided Job's
//     completions is always its own completions.
//  3. A Job or Pod of which a member gets nothing is left out there; other kinds
//     come with 0 replicas.
//  4. Equal arguments give equal bytes.
//
// Everything here is pure and safe for concurrent use. Input of any shape gives
// a result or an error that names the object, never a panic.
package manifest
