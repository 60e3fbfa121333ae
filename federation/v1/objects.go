package federationv1

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-io/hansa/federation"
)

// MaxObjects bounds the decompressed size of the objects of one workload or
// work, in bytes: a guard against a small message that unpacks into a huge one.
const MaxObjects = 64 << 20

// The coders are built once: each holds tables of some hundred KiB.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(fmt.Sprintf("zstd: %v", err)) // constant options
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxObjects))
		if err != nil {
			panic(fmt.Sprintf("zstd: %v", err)) // constant options
		}
		return d
	})
)

func fromObjects(objects []federation.Object) []byte {
	if len(objects) == 0 {
		return nil
	}
	m := &Objects{Objects: each(objects, fromObject)}
	return encoder().EncodeAll(encode(m), nil)
}

func toObjects(b []byte) ([]federation.Object, error) {
	if len(b) == 0 {
		return nil, nil
	}
	plain, err := decoder().DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("objects: %w", err)
	}
	var m Objects
	if err := proto.Unmarshal(plain, &m); err != nil {
		return nil, fmt.Errorf("objects: %w", err)
	}
	return each(m.GetObjects(), toObject), nil
}

func fromObject(o federation.Object) *Object {
	return &Object{ApiVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Raw: o.Raw}
}

func toObject(o *Object) federation.Object {
	return federation.Object{
		APIVersion: o.GetApiVersion(), Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName(), Raw: o.GetRaw(),
	}
}
