// Package raw hands gRPC messages through as they are.
package raw

import "google.golang.org/grpc/mem"

// Codec takes and gives bytes.
type Codec struct{}

// Name is what it is called in a content type.
func (Codec) Name() string { return "raw" }

// Marshal takes a []byte.
func (Codec) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(message.([]byte))}, nil
}

// Unmarshal fills a *[]byte.
func (Codec) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}
