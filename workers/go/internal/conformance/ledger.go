// What the handler writes down: JSON lines in one file that many processes append to.

package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"

	worker "github.com/laneway-dev/laneway/workers/go"
)

// ledger is a file of JSON lines that many processes append to: one write for each line.
type ledger struct{ file *os.File }

type entry struct {
	Event       string  `json:"event"`
	Topic       string  `json:"topic"`
	Partition   int32   `json:"partition"`
	Offset      int64   `json:"offset"`
	Key         *string `json:"key"`
	Attempt     int     `json:"attempt"`
	Worker      string  `json:"worker"`
	TraceParent string  `json:"traceparent,omitempty"`
	// Digest is of what the message holds; "start" has it.
	Digest string `json:"digest,omitempty"`
}

// openLedger: without a path nothing is written down.
func openLedger(path string) (*ledger, error) {
	if path == "" {
		return &ledger{}, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("LANEWAY_LEDGER: %w", err)
	}
	return &ledger{file}, nil
}

func (l *ledger) close() {
	if l.file != nil {
		l.file.Close()
	}
}

func (l *ledger) write(ctx context.Context, event string, m *worker.Message) error {
	if l.file == nil {
		return nil
	}
	line := entry{
		Event:       event,
		Topic:       m.Topic,
		Partition:   m.Partition,
		Offset:      m.Offset,
		Attempt:     worker.Attempt(ctx),
		Worker:      strconv.Itoa(os.Getpid()),
		TraceParent: worker.TraceParent(ctx),
	}
	if m.Key != nil {
		key := string(m.Key)
		line.Key = &key
	}
	if event == "start" {
		line.Digest = digestOf(m)
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = l.file.Write(append(text, '\n'))
	return err
}

// digestOf is SHA-256 over key, value, and name and value of each header, each with its length before it in four bytes.
func digestOf(m *worker.Message) string {
	hash := sha256.New()
	add := func(bytes []byte) {
		length := uint32(math.MaxUint32)
		if bytes != nil {
			length = uint32(len(bytes))
		}
		hash.Write(binary.BigEndian.AppendUint32(nil, length))
		hash.Write(bytes)
	}
	add(m.Key)
	add(m.Value)
	for _, header := range m.Headers {
		add([]byte(header.Name))
		add(header.Value)
	}
	return hex.EncodeToString(hash.Sum(nil))
}
