// Package host knows what containerd nodes put on the machine outside of
// themselves, names it after their network, and removes it.
//
// A node is a process tree in namespaces of its own: mounts, processes, network.
// The kernel takes all of these away with the node's first process, however that
// ends. What is left is here, and nothing else:
//
//   - one bridge for each network, which the nodes of all its members share,
//     named hansa-<network>;
//   - one virtual cable for each node, h<network>-<hash of the node's name>;
//   - one control group for each node, hansa-<network>-<node>, in every hierarchy.
//
// A network is eight hexadecimal digits that stand for the directory of a
// federation, so that two federations of one machine do not touch each other's.
// Everything here may be repeated, and removing what is not there is no error.
package host
