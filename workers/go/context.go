// What a handler's context knows besides its end: the attempt, the trace, and where records go.

package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
)

// Why a handler's context has ended: see [context.Cause].
var (
	// ErrLeaseExpired says that the message's time is up: the host may give it to another worker.
	ErrLeaseExpired error = &namedError{codeDeadlineExceeded, "laneway: the lease has reached its deadline"}
	// ErrCancelled says that the host wants the message back, e.g. because its partition went to another consumer.
	ErrCancelled error = &namedError{codeCancelled, "laneway: the host has cancelled the message"}
	// ErrHostLost says that the host cannot be heard any more, or has gone.
	ErrHostLost error = &namedError{"LEASE_LOST", "laneway: the host is lost"}
	// ErrDrainTimeout says that the worker stops, and has waited as long as it may.
	ErrDrainTimeout error = &namedError{codeCancelled, "laneway: the worker stops and waits no longer"}
)

// Errors of [Send].
var (
	// ErrNotInHandler says that the context is not a handler's, or that the handler has ended.
	ErrNotInHandler = errors.New("laneway: not in a handler that runs")
	// ErrNotTransactional says that the host has no option `transactional`.
	ErrNotTransactional error = &namedError{"NOT_TRANSACTIONAL", "laneway: the host takes no records from handlers"}
	// ErrNoTopic says that a record has no topic.
	ErrNoTopic = errors.New("laneway: a record needs a topic")
)

// delivery is what a handler's context knows about its message.
type delivery struct {
	attempt       uint32
	firstFailedAt *int64
	metadata      map[string]string
	takesOutputs  bool

	mu       sync.Mutex
	hasEnded bool
	outputs  []*workerpb.Output
}

type deliveryKey struct{}

// deliveryContext saves the allocations of context.WithValue for each message.
type deliveryContext struct {
	context.Context
	delivery *delivery
}

func (c *deliveryContext) Value(key any) any {
	if key == (deliveryKey{}) {
		return c.delivery
	}
	return c.Context.Value(key)
}

func deliveryOf(ctx context.Context) *delivery {
	d, _ := ctx.Value(deliveryKey{}).(*delivery)
	return d
}

// Attempt is 1 for the first attempt of a message; 0 where ctx is not a handler's.
func Attempt(ctx context.Context) int {
	if d := deliveryOf(ctx); d != nil {
		return int(d.attempt)
	}
	return 0
}

// FirstFailedAt is when the message's first attempt failed, and zero where none has.
func FirstFailedAt(ctx context.Context) time.Time {
	if d := deliveryOf(ctx); d != nil && d.firstFailedAt != nil {
		return time.UnixMilli(*d.firstFailedAt)
	}
	return time.Time{}
}

// TraceParent is the W3C Trace Context that the message belongs to, and empty where it has none.
func TraceParent(ctx context.Context) string { return metadataOf(ctx, "traceparent") }

// TraceState goes with [TraceParent].
func TraceState(ctx context.Context) string { return metadataOf(ctx, "tracestate") }

func metadataOf(ctx context.Context, name string) string {
	if d := deliveryOf(ctx); d != nil {
		return d.metadata[name]
	}
	return ""
}

// Send has the host produce a record in the transaction that settles this message, and not at all when this attempt fails.
// The host needs the option `transactional`. The record's bytes must not be changed afterwards.
//
// It returns [ErrNotInHandler], [ErrNotTransactional] or [ErrNoTopic].
func Send(ctx context.Context, record Record) error {
	d := deliveryOf(ctx)
	if d == nil {
		return ErrNotInHandler
	}
	if !d.takesOutputs {
		return ErrNotTransactional
	}
	if record.Topic == "" {
		return ErrNoTopic
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hasEnded {
		return ErrNotInHandler
	}
	d.outputs = append(d.outputs, outputOf(record))
	return nil
}

// end closes the delivery for [Send] and returns what was sent.
func (d *delivery) end() []*workerpb.Output {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hasEnded = true
	return d.outputs
}
