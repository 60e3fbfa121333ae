// Package landings shows the rules of package member/landing against a real API server
// with its controllers, without hub and agent, and measures how fast landing is there.
package landings
