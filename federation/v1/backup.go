package federationv1

import (
	"fmt"

	"github.com/hansa-io/hansa/federation"
)

// EncodeBackupRequest writes a BackupRequest.
func EncodeBackupRequest(r federation.BackupRequest) []byte {
	return encode(&BackupRequest{Session: r.Session, Chunk: r.Chunk})
}

// DecodeBackupRequest reads what EncodeBackupRequest wrote.
func DecodeBackupRequest(b []byte) (federation.BackupRequest, error) {
	return decode("backup request", b, &BackupRequest{}, func(m *BackupRequest) (federation.BackupRequest, error) {
		return federation.BackupRequest{Session: m.GetSession(), Chunk: m.GetChunk()}, nil
	})
}

// EncodeBackupReply writes a BackupReply.
func EncodeBackupReply(r federation.BackupReply) []byte {
	return encode(&BackupReply{Session: r.Session, Data: r.Data, Last: r.Last})
}

// DecodeBackupReply reads what EncodeBackupReply wrote.
func DecodeBackupReply(b []byte) (federation.BackupReply, error) {
	return decode("backup reply", b, &BackupReply{}, func(m *BackupReply) (federation.BackupReply, error) {
		return federation.BackupReply{Session: m.GetSession(), Data: m.GetData(), Last: m.GetLast()}, nil
	})
}

// EncodeRestoreRequest writes a RestoreRequest.
func EncodeRestoreRequest(r federation.RestoreRequest) []byte {
	return encode(&RestoreRequest{
		Action: string(r.Action), Session: r.Session, Offset: r.Offset, Data: r.Data, Digest: r.Digest, Who: r.Who,
	})
}

// DecodeRestoreRequest reads what EncodeRestoreRequest wrote.
func DecodeRestoreRequest(b []byte) (federation.RestoreRequest, error) {
	return decode("restore request", b, &RestoreRequest{}, func(m *RestoreRequest) (federation.RestoreRequest, error) {
		var err error
		if m.GetOffset() < 0 {
			err = fmt.Errorf("offset %d is negative", m.GetOffset())
		}
		return federation.RestoreRequest{
			Action: federation.RestoreAction(m.GetAction()), Session: m.GetSession(), Offset: m.GetOffset(), Data: m.GetData(),
			Digest: m.GetDigest(), Who: m.GetWho(),
		}, err
	})
}

// EncodeRestoreReply writes a RestoreReply.
func EncodeRestoreReply(r federation.RestoreReply) []byte {
	c := r.Changes
	return encode(&RestoreReply{Session: r.Session, Digest: r.Digest, State: string(r.State), Term: r.Term, Changes: &RestoreChanges{
		At: fromTime(c.At), Version: c.Version, Term: c.Term, Unlisted: c.Unlisted,
		Counts: each(c.Counts, func(n federation.BucketCount) *BucketCount { return &BucketCount{Bucket: n.Bucket, Records: n.Records} }),
		List: each(c.List, func(x federation.Change) *RestoreChange {
			return &RestoreChange{Kind: x.Kind, Name: x.Name, Do: x.Do, Note: x.Note}
		}),
	}})
}

// DecodeRestoreReply reads what EncodeRestoreReply wrote.
func DecodeRestoreReply(b []byte) (federation.RestoreReply, error) {
	return decode("restore reply", b, &RestoreReply{}, func(m *RestoreReply) (federation.RestoreReply, error) {
		c := m.GetChanges()
		return federation.RestoreReply{
			Session: m.GetSession(), Digest: m.GetDigest(), State: federation.RestoreState(m.GetState()), Term: m.GetTerm(),
			Changes: federation.Changes{
				At: toTime(c.GetAt()), Version: c.GetVersion(), Term: c.GetTerm(), Unlisted: c.GetUnlisted(),
				Counts: each(c.GetCounts(), func(n *BucketCount) federation.BucketCount {
					return federation.BucketCount{Bucket: n.GetBucket(), Records: n.GetRecords()}
				}),
				List: each(c.GetList(), func(x *RestoreChange) federation.Change {
					return federation.Change{Kind: x.GetKind(), Name: x.GetName(), Do: x.GetDo(), Note: x.GetNote()}
				}),
			},
		}, nil
	})
}
