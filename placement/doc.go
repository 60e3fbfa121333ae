// Package placement decides in which members a workload runs.
package placement
