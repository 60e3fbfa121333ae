// Package seal seals bytes to the curve key of one receiver, as NATS xkeys do:
// X25519 with XSalsa20 and Poly1305 (nacl/box), by package nkeys.
//
// The sender's key is made for one seal and forgotten. A key that stays would
// open all that was ever sealed with it, since both sides of a box share its
// secret: with it in the hub's directory, beside the streams, the ciphertext in
// them would protect nothing. The price is that a box does not say who made it.
// Who may write is the business of whoever keeps the box: works lie in streams
// that no user of the bus but the hub may write (messaging/nats, the accounts),
// and who could write there could order the member to run anything anyway.
//
// What a box must not be mistaken for, such as the box of another work, is the
// plaintext's to say: see package federation/sealed.
//
// A box is 44 bytes longer than its plaintext and does not hide its length.
package seal
