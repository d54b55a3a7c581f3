// Messages and records as handlers see them, and their way from and to the contract.

package worker

import (
	"time"

	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
)

// Message is a Kafka record. It stays valid for as long as it is kept.
type Message struct {
	Topic     string
	Partition int32
	Offset    int64
	// Timestamp is zero where the record has none.
	Timestamp time.Time
	// Key is nil where the record has none.
	Key []byte
	// Value is nil for a tombstone.
	Value []byte
	// Headers are in the record's order; names may repeat.
	Headers []Header
}

// Header is one of a record's headers.
type Header struct {
	Name string
	// Value is nil for null.
	Value []byte
}

// Record is a record to be produced: see [Send].
type Record struct {
	Topic string
	// Key is nil for none.
	Key []byte
	// Value is nil for a tombstone.
	Value   []byte
	Headers []Header
	// Partition is nil where the key decides.
	Partition *int32
	// Timestamp is zero for the time of producing.
	Timestamp time.Time
}

func messageOf(topic string, partition int32, m *workerpb.Message) *Message {
	message := &Message{
		Topic:     topic,
		Partition: partition,
		Offset:    m.GetOffset(),
		Key:       m.GetKey(),
		Value:     m.GetValue(),
	}
	if ms := m.GetTimestampMs(); ms >= 0 {
		message.Timestamp = time.UnixMilli(ms)
	}
	if headers := m.GetHeaders(); len(headers) > 0 {
		message.Headers = make([]Header, len(headers))
		for i, header := range headers {
			message.Headers[i] = Header{Name: header.GetName(), Value: header.GetValue()}
		}
	}
	return message
}

func outputOf(record Record) *workerpb.Output {
	output := &workerpb.Output{
		Topic:     record.Topic,
		Key:       record.Key,
		Value:     record.Value,
		Partition: record.Partition,
	}
	if !record.Timestamp.IsZero() {
		ms := record.Timestamp.UnixMilli()
		output.TimestampMs = &ms
	}
	for _, header := range record.Headers {
		output.Headers = append(output.Headers, &workerpb.Header{Name: header.Name, Value: header.Value})
	}
	return output
}
