// Package imports decides which objects of the Multi-Cluster Services API (KEP-1645) a
// member holds: what the members of the clusterset export becomes, in every namespace of
// that name that is there, a ServiceImport, for one with an IP a Service without a
// selector that gives it that IP ("derived", as in the API's reference controller), and
// EndpointSlices, each with endpoints of one member.
//
// A Table takes what the hub tells, Plan compares it with what is in the cluster. Nothing
// here reads or writes a cluster, and there is no clock.
//
// What it promises:
//
//  1. Nothing is changed or removed that has not the label Label: a ServiceImport of
//     somebody else stays as it is, and gets nothing.
//  2. What is as it should be is not written.
//  3. The hub loses what members report when it ends, and learns it again. So a service
//     is taken from a cluster, or gets fewer ports, only when each member that exported
//     it said so, or was heard for Patience without exporting it, or is a member no
//     more. Endpoints of a member that is lost leave at once.
//
// A Table must not be used concurrently.
package imports
