// Package document reads what users write: files with Placements of
// hansa.io/v1alpha1 beside plain Kubernetes objects, and groups them into
// workloads.
//
// Promises:
//
//  1. Reading is strict for our own kinds: an unknown kind or field is an error
//     that names the file, the line and, where one is near, what was meant.
//     Kubernetes objects are kept as they are written.
//  2. Everything is checked before anything is returned; an error is one line.
//  3. Every object belongs to the workload whose Placement selects it. A Placement
//     without resources selects all objects of its namespace that no other
//     Placement names. What no Placement selects is an error, except what comes
//     along by itself: objects that pod templates name (ConfigMaps, Secrets,
//     ServiceAccounts, claims), the Namespace of the workload, and
//     CustomResourceDefinitions, which go with every workload of the apply.
//  4. An object that two Placements select is an error that names both.
//
// It does not know members: whether a placement can be satisfied is told by the
// hub's decision and by "hansa explain".
//
// Functions are pure and safe for concurrent use.
package document
