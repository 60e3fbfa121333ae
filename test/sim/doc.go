// Package sim runs a whole federation in one goroutine: hubs, agents with their
// clusters, gateways and the store, on one bus, with one clock and one source of
// chance. The parts are the machines of the product (decision.Machine,
// guard.Machine, lease.Leader, route.Builder); the world carries out their effects
// by putting messages on a wire, as the shells do on NATS. It is what FoundationDB
// made known as deterministic simulation.
//
// Words:
//
//	node     a place in the network that a part runs at: "hub", "g1", "store",
//	         or a member
//	part     the machine at a node during one life of its process
//	life     from a start to the next crash; messages to an earlier life are lost
//	wire     what is under way, ordered by when it is due, then by when it was sent
//	fault    what is wrong with a link in one direction: cut, delay, loss, copies
//	law      holds after every step, whatever the faults
//	promise  holds again some time after the last fault
//
// Two drivers share one language (Script). A scenario file of testdata is a list
// of commands and what was seen, written by "go test ./test/sim -rewrite". A
// seeded run draws commands, checks the laws after each step and, when all faults
// are over, the promises; when one is broken it takes commands away while the
// failure stays, and prints the rest as a scenario. Two worlds with the same
// script and seed write the same transcript; the tests run each seed twice.
//
// The commands are listed at Script.Run, the laws at Laws. How each law is known
// to see anything: Hooks break one machine on purpose, and a test demands that
// the law notices.
//
// What is simplified: writes to the store are atomic and it never loses one; the
// cluster of a member is a list of works that become ready after a while; the
// pods of an at-most-one workload start only when they are landed, as a member's
// admission demands.
package sim
