// Package sim runs a whole federation in one goroutine: hubs, agents with their
// clusters, gateways and the store, on one bus, with one clock and one source of
// chance. The parts are the machines of the product (decision.Machine,
// guard.Machine, lease.Leader, route.Builder); the world carries out their effects
// by putting messages on a wire, as the shells do on NATS.
//
// Words:
//
//	node     a place in the network that a part runs at: "hub", "g1", "store",
//	         or a member
//	part     the machine at a node during one life of its process
//	life     from a start to the next crash; messages to an earlier life are lost
//	wire     what is under way, by when it is due, then by when it was sent
//	fault    what is wrong with a link in one direction: cut, delay, loss, copies
//	law      holds after every step, whatever the faults
//	promise  holds again some time after the last fault
//
// Two drivers share one language, whose commands are listed at commands (in
// commands.go). Every transcript begins with "simulated world, seed N".
//
// # Scenarios
//
// A scenario is a file of testdata: a first line of comment that says what it
// shows, then blocks of commands, "----", and what was said. To write one, write
// the comment and the commands (the seed is 1 unless the first is "seed N"), end
// each block with "----" and an empty line, and let the world fill in the rest:
//
//	go test ./test/sim -run TestScenarios -rewrite
//
// Then read it as a reviewer would: -rewrite writes whatever happened. A block that
// should end at rest ends with "settle"; one after which everything must be well
// again, with "promises"; "advance" is for a moment in between. One alone:
//
//	go test ./test/sim -run TestScenarios/kill
//
// # Seeds
//
// A seeded run draws commands, checks the laws after each step and, when all
// faults are over, the promises; every seed is run twice and must go the same way.
// One that fails is shrunk and printed as a scenario file. To see it again with its
// transcript, and to try many more seeds:
//
//	go test ./test/sim -run TestSeeds -first=4711 -seeds=1 -transcript
//	go test ./test/sim -run TestSeeds -first=1000 -seeds=20000 -timeout=1h
//
// A script means the same only under its seed, which also draws the delays; the
// printed scenario therefore begins with the command "seed N", and fails as it
// stands when it is put into testdata. Once the fault is mended, it stays there
// under a name and with a first line that say what it shows.
//
// # Laws and promises
//
// They are listed at Laws and at World.Promises; what they are asked of, in a table in
// acceptance_test.go. How each is known to see anything: Hooks break one machine on
// purpose, and a test demands that the law notices, and that none is without one.
//
// What is simplified: writes to the store are atomic, and it loses one only when a copy is
// put back; the cluster of a member is a list of works that become ready after a while,
// and is let go of at once; the pods of an at-most-one workload start only when they are
// landed, as admission demands, and stop by themselves, as its guard does.
package sim
