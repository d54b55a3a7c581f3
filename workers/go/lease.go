// The leases of a session, from the host's frame to the settlement: rules 1 to 3 of the contract.

package worker

import (
	"context"
	"time"

	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// A handler's context ends before its lease does, so that the handler has time to end: by this part of the time there
	// is, and no more than the most.
	marginPart = 10
	mostMargin = time.Second
)

// run is leases of one lane: handled one after the other, forgotten from the first on that does not complete.
type run struct {
	handler   Handler
	name      string
	topic     string
	partition int32
	// expires is when the first lease ends.
	expires time.Time

	// The session's lock guards the rest. next is the index of the first lease that has not started; isRunning tells whether
	// the one before it still runs: then none after it is answered for.
	leases    []lease
	next      int
	isRunning bool
}

type lease struct {
	id    uint64
	run   *run
	index int
	wire  *workerpb.Lease
	ends  time.Time
	// cancel is set once its handler has started, isCancelled where that is not to happen any more.
	cancel      context.CancelCauseFunc
	isCancelled bool
}

// accept takes leases that the host gives. A host that gives more than there are credits for breaks the contract.
func (s *session) accept(leases *workerpb.Leases) error {
	now := time.Now()
	for _, wire := range leases.GetRuns() {
		if len(wire.GetLeases()) == 0 {
			continue
		}
		r := &run{
			handler:   s.worker.options.Handlers[leases.GetHandler()],
			name:      leases.GetHandler(),
			topic:     wire.GetTopic(),
			partition: wire.GetPartition(),
			leases:    make([]lease, len(wire.GetLeases())),
		}
		for i, each := range wire.GetLeases() {
			ends := s.clock.local(each.GetDeadlineMs())
			margin := min(max(ends.Sub(now), 0)/marginPart, mostMargin)
			r.leases[i] = lease{id: each.GetId(), run: r, index: i, wire: each, ends: ends.Add(-margin)}
		}
		r.expires = r.leases[0].ends
		if err := s.hold(r); err != nil {
			return err
		}
		go s.handle(r, s.worker.slots.queue())
	}
	return nil
}

func (s *session) hold(r *run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held)+len(r.leases) > s.worker.options.Credits {
		return status.Error(codes.ResourceExhausted, "the host has given more leases than there are credits for")
	}
	for i := range r.leases {
		s.held[r.leases[i].id] = &r.leases[i]
	}
	if s.isDraining {
		s.release(r)
	}
	return nil
}

// handle runs the handlers of a run, once it has a slot.
func (s *session) handle(r *run, p *place) {
	defer p.leave()
	if !s.enter(r, p) {
		return
	}
	for s.step(r) {
	}
}

// enter waits for a slot, and gives the run back where its time is up before there is one.
func (s *session) enter(r *run, p *place) bool {
	select {
	case <-p.ready:
		return true
	default:
	}
	expiry := time.NewTimer(time.Until(r.expires))
	defer expiry.Stop()
	select {
	case <-p.ready:
		return true
	case <-expiry.C:
		s.mu.Lock()
		s.release(r)
		s.mu.Unlock()
		return false
	case <-s.ctx.Done():
		return false
	}
}

// step handles the next lease of a run; false when the run is over.
func (s *session) step(r *run) bool {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	l := s.start(r, cancel)
	if l == nil {
		return false
	}
	if r.handler == nil {
		return s.finish(l, settlementOf(unknownHandler(r.name)))
	}
	ctx, stop := context.WithDeadlineCause(ctx, s.endOf(l), ErrLeaseExpired)
	defer stop()
	message := messageOf(r.topic, r.partition, l.wire.GetMessage())
	d := &delivery{
		attempt:       l.wire.GetAttempt(),
		firstFailedAt: l.wire.FirstFailedAtMs,
		metadata:      l.wire.GetMessage().GetMetadata(),
		takesOutputs:  s.takesOutputs,
	}
	goesOn := false
	attempt(ctx, d, r.handler, message, func(settlement *workerpb.Settlement) {
		goesOn = s.finish(l, settlement)
	})
	return goesOn
}

// endOf is when the handler of a lease that begins now is to have ended.
func (s *session) endOf(l *lease) time.Time {
	if s.attemptTimeout == 0 {
		return l.ends
	}
	ends := time.Now().Add(s.attemptTimeout - min(s.attemptTimeout/marginPart, mostMargin))
	if ends.Before(l.ends) {
		return ends
	}
	return l.ends
}

// start says which lease of a run is next; nil where none is, or its time is up.
func (s *session) start(r *run, cancel context.CancelCauseFunc) *lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.next == len(r.leases) || s.ctx.Err() != nil {
		return nil
	}
	l := &r.leases[r.next]
	if s.isDraining || l.isCancelled || !time.Now().Before(l.ends) {
		s.release(r)
		return nil
	}
	l.cancel = cancel
	r.next++
	r.isRunning = true
	return l
}

// finish answers for a lease that has started. It returns whether the run goes on.
func (s *session) finish(l *lease, settlement *workerpb.Settlement) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false // The lease is not this worker's any more.
	}
	if l.isCancelled && settlement.GetStatus() == workerpb.Status_STATUS_COMPLETED {
		// The host would take it for one that was sent before its Cancel came.
		settlement = settlementOf(ErrCancelled)
	}
	settlement.Lease = l.id
	s.outbox.settle(settlement)
	delete(s.held, l.id)
	l.run.isRunning = false
	goesOn := settlement.GetStatus() == workerpb.Status_STATUS_COMPLETED
	if !goesOn {
		s.forget(l.run)
	}
	s.noteEmptied()
	return goesOn
}

// release gives back what has not started of a run that does not run. The lock is held.
func (s *session) release(r *run) {
	if r.next == len(r.leases) {
		return
	}
	s.outbox.settle(&workerpb.Settlement{Lease: r.leases[r.next].id, Status: workerpb.Status_STATUS_RELEASED})
	s.forget(r)
	s.noteEmptied()
}

// forget drops what has not started of a run, because the host has it back. The lock is held.
func (s *session) forget(r *run) {
	for i := r.next; i < len(r.leases); i++ {
		delete(s.held, r.leases[i].id)
	}
	r.leases = r.leases[:r.next]
}

// cancel ends the handlers of these leases; those that have not started go back, once it is their turn.
func (s *session) cancel(ids []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		l, isHeld := s.held[id]
		if !isHeld {
			continue
		}
		l.isCancelled = true
		if l.cancel != nil {
			l.cancel(ErrCancelled)
		} else if !l.run.isRunning && l.index == l.run.next {
			s.release(l.run)
		}
	}
}
