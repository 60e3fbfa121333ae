// Package archive is the format of a backup: one stream with every record of the
// hub's durable buckets, and the keys of the bus.
//
//	magic     8 bytes, "HANSABAK"
//	version   2 bytes, big endian; 1
//	content   one zstd frame of
//	          header  byte 1, JSON of Header
//	          record  byte 2, bucket, key, revision, value; any number of them
//	          end     byte 3, JSON of the number of records by bucket
//	          sum     32 bytes, SHA-256 of magic, version and plain content up to here
//
// Texts, JSON and values have their length as an unsigned varint before them;
// revisions are unsigned varints. Nothing follows the sum. A Reader that returned
// io.EOF has seen the sum and the counts agree with what it read: a file that was cut
// off, damaged or added to is an error before that. So who restores reads all of it
// once before it writes anything.
//
// Both ends hold one record in memory at a time, whatever the size of the stream.
// Records of one bucket stand together; the order of buckets is that of the caller.
package archive
