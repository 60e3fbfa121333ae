// Package route ranks the endpoints of a service for a caller in a place.
//
// A Table is an immutable picture of what members export, how they are and where
// they are. A Builder holds the changing records and makes the next Table from
// the last one: services that did not change are shared between the two. Readers
// hold one Table for the whole of a query.
//
// Promises:
//
//  1. A withdrawn member's endpoints are in no answer, whatever it exported.
//  2. Only endpoints that are ready are answered; those that end but still serve
//     come last, as "draining", when nothing else is left.
//  3. Tiers are ordered by the estimated round trip from the caller's place to
//     the region; equal ones by name, so that equal tables answer equally.
//  4. When members disagree about the ports of a service, the oldest export is
//     right and the conflict is told, as the Multi-Cluster Services API demands.
//  5. Records that the hub has had for longer than StaleAfter and that are not here
//     make the answers stale that they would be in.
//  6. Nothing is answered from a bucket before its snapshot is complete: a Table
//     that is not Synced refuses.
//
// It does not decide who is healthy; the hub says so in its beats. A Builder is
// not safe for concurrent use; a Table is.
package route
