// The rules that proto/laneway/worker/v1/worker.proto has at its top.

package worker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	worker "github.com/laneway-dev/laneway/workers/go"
	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
)

const (
	completed = workerpb.Status_STATUS_COMPLETED
	failed    = workerpb.Status_STATUS_FAILED
	released  = workerpb.Status_STATUS_RELEASED
)

func obeying(handler worker.Handler) worker.Options {
	return worker.Options{Handlers: map[string]worker.Handler{"obey": handler}}
}

// gate is a handler that tells when it starts and waits for a word.
type gate struct {
	started chan int64
	goOn    chan error
}

func newGate() *gate { return &gate{make(chan int64, 1000), make(chan error, 1000)} }

func (g *gate) handle(ctx context.Context, m *worker.Message) error {
	g.started <- m.Offset
	select {
	case err := <-g.goOn:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func TestARunIsHandledInItsOrder(t *testing.T) {
	h, g := newHost(t), newGate()
	h.start(obeying(g.handle))
	s := h.connected()
	s.give(time.Minute, 1, 2, 3)
	for id := int64(1); id <= 3; id++ {
		if got := next(t, "a start", g.started); got != id {
			t.Fatalf("started %d, want %d", got, id)
		}
		if len(g.started) != 0 {
			t.Fatalf("another started beside %d", id)
		}
		g.goOn <- nil
		s.expect(uint64(id), completed)
	}
}

func TestRunsAreIndependent(t *testing.T) {
	h, g := newHost(t), newGate()
	h.start(obeying(g.handle))
	s := h.connected()
	s.give(time.Minute, 1)
	s.give(time.Minute, 2)
	next(t, "a start", g.started)
	next(t, "a start beside it", g.started)
}

func TestAfterAFailureTheRestOfTheRunIsForgotten(t *testing.T) {
	h, g := newHost(t), newGate()
	h.start(obeying(g.handle))
	s := h.connected()
	s.give(time.Minute, 1, 2, 3)
	g.goOn <- errors.New("broken")
	s.expect(1, failed)
	// What comes next is the answer to the next run: 2 and 3 are neither run nor answered for.
	s.give(time.Minute, 4)
	g.goOn <- nil
	s.expect(4, completed)
	if first, second := <-g.started, <-g.started; first != 1 || second != 4 {
		t.Fatalf("started %d and %d", first, second)
	}
}

func TestTheHandlersContextEndsBeforeTheDeadlineOfASkewedHost(t *testing.T) {
	h := newHost(t)
	const skewMs = 3_600_000
	h.hostTime = func() float64 { return nowMs() + skewMs }
	ended := make(chan time.Time, 1)
	h.start(obeying(func(ctx context.Context, m *worker.Message) error {
		<-ctx.Done()
		ended <- time.Now()
		if !errors.Is(context.Cause(ctx), worker.ErrLeaseExpired) {
			t.Errorf("cause: %v", context.Cause(ctx))
		}
		return ctx.Err()
	}))
	s := h.connected()
	lease := 2 * time.Second
	deadline := time.Now().Add(lease)
	s.giveRuns("obey", runOf(nowMs()+skewMs+float64(lease/time.Millisecond), 1, 2))
	settlement := s.expect(1, failed)
	if code := settlement.GetError().GetCode(); code != "DEADLINE_EXCEEDED" {
		t.Errorf("code %s", code)
	}
	if at := <-ended; !at.Before(deadline) || at.Before(deadline.Add(-lease)) {
		t.Errorf("ended %v before the deadline", deadline.Sub(at))
	}
}

func TestALeaseWhoseTimeIsUpIsNotStarted(t *testing.T) {
	h, g := newHost(t), newGate()
	h.start(obeying(g.handle))
	s := h.connected()
	s.give(-time.Second, 1, 2)
	s.expect(1, released)
	if len(g.started) != 0 {
		t.Error("it was started")
	}
}

func TestALeaseThatWaitsTooLongForAHandlerGoesBack(t *testing.T) {
	h, g := newHost(t), newGate()
	options := obeying(g.handle)
	options.Concurrency = 1
	h.start(options)
	s := h.connected()
	s.give(time.Minute, 1)
	next(t, "a start", g.started)
	s.give(50*time.Millisecond, 2)
	s.expect(2, released)
	g.goOn <- nil
	s.expect(1, completed)
}

func TestAHandlerThatEndsLateIsAnsweredForAllTheSame(t *testing.T) {
	h := newHost(t)
	goOn := make(chan struct{})
	h.start(obeying(func(ctx context.Context, m *worker.Message) error {
		<-ctx.Done()
		<-goOn
		return nil
	}))
	s := h.connected()
	s.give(100*time.Millisecond, 1)
	time.AfterFunc(200*time.Millisecond, func() { close(goOn) })
	if settlement := s.expect(1, failed); settlement.GetError().GetCode() != "DEADLINE_EXCEEDED" {
		t.Errorf("got %v", settlement)
	}
}

func TestWhenTheStreamEndsHandlersAreCancelledAndLeasesForgotten(t *testing.T) {
	h, g := newHost(t), newGate()
	causes := make(chan error, 1)
	h.start(obeying(func(ctx context.Context, m *worker.Message) error {
		err := g.handle(ctx, m)
		causes <- err
		return err
	}))
	first := h.connected()
	first.give(time.Minute, 1, 2)
	next(t, "a start", g.started)
	first.close <- nil
	if cause := next(t, "the handler's end", causes); !errors.Is(cause, worker.ErrHostLost) {
		t.Errorf("cause: %v", cause)
	}
	// The worker dials again, and answers for nothing of the stream before.
	second := h.connected()
	second.give(time.Minute, 10)
	if got := next(t, "a start", g.started); got != 10 {
		t.Fatalf("started %d", got)
	}
	g.goOn <- nil
	second.expect(10, completed)
}

func TestWhenTheHostIsSilentHandlersAreCancelled(t *testing.T) {
	h, g := newHost(t), newGate()
	h.welcome.HeartbeatIntervalMs, h.welcome.HeartbeatTimeoutMs = 60_000, 300
	causes := make(chan error, 1)
	h.start(obeying(func(ctx context.Context, m *worker.Message) error {
		err := g.handle(ctx, m)
		causes <- err
		return err
	}))
	s := h.connected()
	s.give(time.Minute, 1)
	next(t, "a start", g.started)
	if cause := next(t, "the handler's end", causes); !errors.Is(cause, worker.ErrHostLost) {
		t.Errorf("cause: %v", cause)
	}
	h.connected()
}

func TestHeartbeatsKeepAQuietSessionAlive(t *testing.T) {
	h, g := newHost(t), newGate()
	h.welcome.HeartbeatIntervalMs, h.welcome.HeartbeatTimeoutMs = 50, 2_000
	h.start(obeying(g.handle))
	s := h.connected()
	s.give(time.Minute, 1)
	next(t, "a start", g.started)
	time.AfterFunc(2_500*time.Millisecond, func() { g.goOn <- nil })
	s.expect(1, completed)
}

func TestCancelEndsAHandlerAndGivesBackWhatWaits(t *testing.T) {
	h, g := newHost(t), newGate()
	h.start(obeying(g.handle))
	s := h.connected()
	s.give(time.Minute, 1, 2, 3)
	next(t, "a start", g.started)
	s.cancel(2, 3, 99)
	s.sync(90)
	g.goOn <- nil
	s.expect(1, completed)
	s.expect(2, released)
	s.give(time.Minute, 4, 5)
	next(t, "a start", g.started)
	s.cancel(4, 5)
	if settlement := s.expect(4, failed); settlement.GetError().GetMessage() != worker.ErrCancelled.Error() {
		t.Errorf("got %v", settlement)
	}
	s.sync(91) // Nothing more of that run: the next answer is another's.
}

func TestWhatTheHostHasCancelledIsNeverCompleted(t *testing.T) {
	h, g := newHost(t), newGate()
	h.start(obeying(func(_ context.Context, m *worker.Message) error {
		g.started <- m.Offset
		return <-g.goOn
	}))
	s := h.connected()
	s.give(time.Minute, 1, 2)
	next(t, "a start", g.started)
	s.cancel(1)
	s.sync(90)
	g.goOn <- nil
	if settlement := s.expect(1, failed); settlement.GetError().GetCode() != "CANCELLED" {
		t.Errorf("got %v", settlement)
	}
	s.sync(91) // Nothing more of that run.
}

func TestCancelGivesBackARunThatWaitsForAHandler(t *testing.T) {
	h, g := newHost(t), newGate()
	options := obeying(g.handle)
	options.Concurrency = 1
	h.start(options)
	s := h.connected()
	s.give(time.Minute, 1)
	next(t, "a start", g.started)
	s.give(time.Minute, 2)
	s.cancel(2)
	s.expect(2, released)
}

func TestAfterTheHostsDrainWhatRunsEndsAndTheRestGoesBack(t *testing.T) {
	h, g := newHost(t), newGate()
	h.start(obeying(g.handle))
	s := h.connected()
	s.give(time.Minute, 1, 2)
	next(t, "a start", g.started)
	s.drain()
	s.give(time.Minute, 3)
	s.expect(3, released)
	g.goOn <- nil
	s.expect(1, completed)
	s.expect(2, released)
	next(t, "the worker's end", s.ended)
	s.close <- nil
	h.connected()
}

func TestAWorkerThatStopsDrains(t *testing.T) {
	h, g := newHost(t), newGate()
	stop, wait := h.start(obeying(g.handle))
	s := h.connected()
	s.give(time.Minute, 1, 2)
	next(t, "a start", g.started)
	stop()
	next(t, "a drain", s.drained)
	g.goOn <- nil
	s.expect(1, completed)
	s.expect(2, released)
	next(t, "the worker's end", s.ended)
	s.close <- nil
	if err := wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestADrainHasALimit(t *testing.T) {
	h, g := newHost(t), newGate()
	options := obeying(g.handle)
	options.DrainTimeout = 50 * time.Millisecond
	stop, wait := h.start(options)
	s := h.connected()
	s.give(time.Minute, 1)
	next(t, "a start", g.started)
	stop()
	settlement := s.expect(1, failed)
	if settlement.GetError().GetMessage() != worker.ErrDrainTimeout.Error() {
		t.Errorf("got %v", settlement)
	}
	next(t, "the worker's end", s.ended)
	s.close <- nil
	if err := wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAHandlerThatNeverEndsIsTold(t *testing.T) {
	h := newHost(t)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	started := make(chan struct{})
	options := obeying(func(context.Context, *worker.Message) error {
		close(started)
		<-never
		return nil
	})
	options.DrainTimeout = 50 * time.Millisecond
	stop, wait := h.start(options)
	h.connected().give(time.Minute, 1)
	next(t, "a start", started)
	stop()
	if err := wait(); err == nil {
		t.Error("Run returned nil with a handler that runs")
	}
}
