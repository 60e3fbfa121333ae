// Package federation holds the words of Hansa: the values that hub, agent and
// gateway exchange and decide about. It has no behaviour beyond what a value
// needs to be read (String, Less, IsZero), and imports the standard library only.
//
// One word per idea; code uses no synonyms.
//
//	member       a Kubernetes cluster that joined, control plane and node set
//	hub          the deciding side
//	agent        our process in a member
//	gateway      answers clients
//	bus          NATS: it links hub, agents and gateways
//	workload     what is placed as one: a Placement and the resources it selects
//	assignment   workload → members, with replicas, revision and epoch
//	work         what one member has to run for one workload
//	landing      server-side apply of a work into its cluster
//	place        where a caller or a member is: region, zone, coordinates
//	failure domain  member, zone, region, provider or bus path
//	incarnation  counter of an agent's lives
//	epoch        fencing token; grows with each change of who may be active
//	revision     the number that the store gives to a write
//	operation    one-shot, immutable record of a recovery verb
//	drill        an operation in mode Drill
//	export, import, clusterset  as in the Kubernetes Multi-Cluster Services API
//	tier         a rank of equally good endpoints in an answer
//	objective, achieved  what was promised (RTO, RPO), what was measured
//
// Health states of a member: joining, healthy, suspect, unreachable, fenced,
// returning, quarantined, reconciling. There is no edge from unreachable to
// healthy; see package membership.
package federation
