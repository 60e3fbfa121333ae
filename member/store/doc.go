// Package store keeps the orders of one agent on its disk, as they came from the bus, so
// that an agent that restarts without the bus knows what has to run. It knows nothing of
// what an order says: secrets inside stay sealed. What is kept is decided by package
// member/guard.
//
// What it promises:
//
//  1. A change is whole or not there, and durable when Write returns.
//  2. What is read is what was written: each order has a checksum, and so has the list of
//     them. A file that is damaged, or of another owner, is moved aside, and the agent
//     begins with an empty one; nothing that was there is guessed at.
//  3. Only the owner of the process can read the file.
//
// Its size is that of the orders it holds, of one workload two at most, and of free pages
// that later writes use. A Store is for one goroutine.
package store
