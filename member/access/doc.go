// Package access keeps an agent's way onto the bus: who it is there, and where the bus
// is.
//
// The credentials are a user JWT, which ends, and the seed of its key. At two thirds of
// its life, at an order of the hub, or when the bus refuses it, a Keeper replaces it:
//
//  1. It makes a key pair and writes it down, so that it asks for the same key however
//     often it has to ask.
//  2. It asks the hub for a user with that key, by a request that the present key signs:
//     over the bus, or by a gateway when the bus does not let it in.
//  3. It writes the new credentials down. From then on it is the new user.
//  4. It connects anew, one connection after the other, each with the new user.
//  5. It tells the hub, which has the bus refuse the old user.
//
// Dying between any two of these leaves credentials that work: before 3 the old ones,
// which nobody ends, and after it the new ones, which the hub knows since before it
// handed them out. Each life of an agent begins with 4 and 5.
//
// Seeds never leave the agent.
package access
