// Package standby is what a hub makes of what it hears while another hub leads.
//
// It hears the same beats as the leader, and judges them with the same machine
// (package membership). What comes out is an opinion: it goes to the leader, which
// counts it as one observer more, and to gateways, which go by the majority of the
// hubs while none leads. A standby decides nothing and writes nothing.
//
// While a leader speaks, a standby only listens, and looks at the API server of a
// silent member from where it runs itself; the leader asks everybody else. Once no
// leader was heard for LeaderSilent it asks other members too.
//
// It promises: (1) it says nothing before it has read the members and listened for
// Listen, nor while it is late itself, so that silence of its own is not taken for
// that of a member. (2) An opinion names only members that are not well: in health
// it is empty, however many there are. (3) It speaks at most once in Every, and early
// only when what it says has changed. (4) A member that was Unreachable to it is
// well again only after it has been heard for some time without interruption.
//
// What it knows of silences and of other hubs it hands over when it leads itself
// (Handover), so that the silence of a member need not be measured anew.
package standby
