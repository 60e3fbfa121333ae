// Package busdoctor judges a report of the bus: what is misconfigured, about to fail or
// failing, why that matters and what to do. It asks nobody and changes nothing; equal
// worlds give equal findings.
//
// A check that cannot be made, because a server did not tell, finds nothing: the
// report itself says what is not known.
package busdoctor
