// Package observe turns a picture of a cluster into what an agent reports: the
// capacity of the member, the services it exports, and how its works are.
//
// Everything is a pure function of small values that package member/kube fills
// from the API server; nothing here asks or waits. Sums count ready, schedulable
// nodes only, and every pod that has not ended as using what it requests.
package observe
