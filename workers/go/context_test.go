// What a handler sees of its message, and what it sends.

package worker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	worker "github.com/laneway-dev/laneway/workers/go"
	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
	"google.golang.org/protobuf/proto"
)

func leaseOf(message *workerpb.Message, attempt uint32) *workerpb.Run {
	deadline := nowMs() + 60_000
	lease := &workerpb.Lease{Id: 1, Message: message, Attempt: attempt, DeadlineMs: deadline}
	if attempt > 1 {
		lease.FirstFailedAtMs = proto.Int64(1_700_000_000_123)
	}
	return &workerpb.Run{Topic: "orders", Partition: 3, Leases: []*workerpb.Lease{lease}}
}

func TestAMessageArrivesAsItIs(t *testing.T) {
	h := newHost(t)
	got := make(chan *worker.Message, 1)
	h.start(obeying(func(_ context.Context, m *worker.Message) error { got <- m; return nil }))
	s := h.connected()
	s.giveRuns("obey", leaseOf(&workerpb.Message{
		Offset: 1 << 52, TimestampMs: 1_700_000_000_000, Key: []byte{0, 255}, Value: []byte{},
		Headers: []*workerpb.Header{{Name: "a", Value: []byte("1")}, {Name: "a"}},
	}, 1))
	m := next(t, "a message", got)
	if m.Topic != "orders" || m.Partition != 3 || m.Offset != 1<<52 || m.Timestamp.UnixMilli() != 1_700_000_000_000 {
		t.Errorf("got %+v", m)
	}
	if string(m.Key) != "\x00\xff" || m.Value == nil || len(m.Value) != 0 {
		t.Errorf("key %v, value %v", m.Key, m.Value)
	}
	if len(m.Headers) != 2 || string(m.Headers[0].Value) != "1" || m.Headers[1].Value != nil {
		t.Errorf("headers %v", m.Headers)
	}
}

func TestNullIsNotEmpty(t *testing.T) {
	h := newHost(t)
	got := make(chan *worker.Message, 1)
	h.start(obeying(func(_ context.Context, m *worker.Message) error { got <- m; return nil }))
	h.connected().giveRuns("obey", leaseOf(&workerpb.Message{TimestampMs: -1}, 1))
	if m := next(t, "a message", got); m.Key != nil || m.Value != nil || !m.Timestamp.IsZero() {
		t.Errorf("got %+v", m)
	}
}

func TestTheContextKnowsAttemptAndTrace(t *testing.T) {
	h := newHost(t)
	h.start(obeying(func(ctx context.Context, _ *worker.Message) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second) // A context made of it knows, too.
		defer cancel()
		if worker.Attempt(ctx) != 3 || worker.FirstFailedAt(ctx).UnixMilli() != 1_700_000_000_123 {
			return errors.New("attempt")
		}
		if worker.TraceParent(ctx) != "00-aa-bb-01" || worker.TraceState(ctx) != "vendor=1" {
			return errors.New("trace")
		}
		return nil
	}))
	s := h.connected()
	trace := map[string]string{"traceparent": "00-aa-bb-01", "tracestate": "vendor=1"}
	s.giveRuns("obey", leaseOf(&workerpb.Message{Metadata: trace}, 3))
	s.expect(1, completed)
}

func TestOutsideAHandlerTheContextKnowsNothing(t *testing.T) {
	ctx := context.Background()
	if worker.Attempt(ctx) != 0 || worker.TraceParent(ctx) != "" || !worker.FirstFailedAt(ctx).IsZero() {
		t.Error("it knows something")
	}
	if err := worker.Send(ctx, worker.Record{Topic: "t"}); !errors.Is(err, worker.ErrNotInHandler) {
		t.Errorf("Send: %v", err)
	}
}

func TestWhatIsSentGoesWithTheSettlement(t *testing.T) {
	h := newHost(t)
	late := make(chan context.Context, 1)
	h.start(obeying(func(ctx context.Context, _ *worker.Message) error {
		late <- ctx
		if err := worker.Send(ctx, worker.Record{}); !errors.Is(err, worker.ErrNoTopic) {
			return errors.New("a record without a topic was taken")
		}
		return errors.Join(
			worker.Send(ctx, worker.Record{
				Topic: "scores", Key: []byte("k"), Value: []byte{}, Partition: proto.Int32(2),
				Timestamp: time.UnixMilli(1_700_000_000_000), Headers: []worker.Header{{Name: "h", Value: []byte("v")}},
			}),
			worker.Send(ctx, worker.Record{Topic: "audit"}),
		)
	}))
	s := h.connected()
	s.give(time.Minute, 1)
	want := []*workerpb.Output{
		{
			Topic: "scores", Key: []byte("k"), Value: []byte{}, Partition: proto.Int32(2),
			TimestampMs: proto.Int64(1_700_000_000_000), Headers: []*workerpb.Header{{Name: "h", Value: []byte("v")}},
		},
		{Topic: "audit"},
	}
	got := s.expect(1, completed).GetOutputs()
	if len(got) != len(want) || !proto.Equal(got[0], want[0]) || !proto.Equal(got[1], want[1]) {
		t.Errorf("got %v", got)
	}
	if err := worker.Send(next(t, "a context", late), worker.Record{Topic: "scores"}); !errors.Is(err, worker.ErrNotInHandler) {
		t.Errorf("Send after the end: %v", err)
	}
}

func TestAHostThatTakesNoRecordsGetsNone(t *testing.T) {
	h := newHost(t)
	h.welcome.Capabilities = nil
	h.start(obeying(func(ctx context.Context, _ *worker.Message) error {
		return worker.Send(ctx, worker.Record{Topic: "scores"})
	}))
	s := h.connected()
	s.give(time.Minute, 1)
	settlement := s.expect(1, failed)
	if settlement.GetError().GetCode() != "NOT_TRANSACTIONAL" || len(settlement.GetOutputs()) != 0 {
		t.Errorf("got %v", settlement)
	}
}

func TestAFailedAttemptSendsNothing(t *testing.T) {
	h := newHost(t)
	h.start(obeying(func(ctx context.Context, _ *worker.Message) error {
		return errors.Join(worker.Send(ctx, worker.Record{Topic: "scores"}), errors.New("too late"))
	}))
	s := h.connected()
	s.give(time.Minute, 1)
	if outputs := s.expect(1, failed).GetOutputs(); len(outputs) != 0 {
		t.Errorf("got %v", outputs)
	}
}
