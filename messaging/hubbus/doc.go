// Package hubbus opens the bus that the configuration of a hub describes: a server in
// the hub's own process, alone or as one of a cluster, or servers that others run. It
// also has the commands that prepare such a bus without a hub.
package hubbus
