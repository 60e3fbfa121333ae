// Package federationv1 is the wire form of the values in package federation:
// protobuf messages in files beside it, and one pair of functions for each value,
// EncodeX and DecodeX, through which alone they are used. Generated types do not
// leave this package.
//
// Encode never fails. Decode returns an error that names the value and the field
// when the bytes are not what Encode writes; it never panics, and what it
// returns shares no memory with its argument. Fields unknown to this version are
// ignored, so that an older agent can read what a newer hub writes.
//
// Objects of workloads and works are compressed with zstd and bounded at
// MaxObjects bytes when decompressed.
package federationv1
