// How a session ends in peace: rule 5 of the contract, with a limit to each wait.

package worker

import (
	"errors"
	"fmt"
	"time"
)

type drainedBy int

const (
	byHost drainedBy = iota
	byWorker
)

// unfinished is the end of a session with handlers that do not end.
type unfinished struct{ handlers int }

func (e *unfinished) Error() string {
	return fmt.Sprintf("laneway: %d handlers have not ended", e.handlers)
}

var errNoGoodbye = errors.New("laneway: the host has not ended the stream")

// drain gives back the runs that wait, and has the session end when what runs has; the rest of its run goes back then.
func (s *session) drain(by drainedBy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDraining {
		return
	}
	s.isDraining = true
	if by == byWorker {
		s.outbox.drain()
	}
	for _, l := range s.held {
		if !l.run.isRunning {
			s.release(l.run)
		}
	}
	s.noteEmptied()
	go s.part()
}

// noteEmptied tells send that all is settled. The lock is held.
func (s *session) noteEmptied() {
	if s.isDraining && len(s.held) == 0 && !s.isEmptied {
		s.isEmptied = true
		close(s.emptied)
	}
}

// part waits for handlers, then for their contexts' end to take effect, then for the host.
func (s *session) part() {
	if !s.isEmptiedWithin(s.worker.options.DrainTimeout) {
		s.cancelAll(ErrDrainTimeout)
		if !s.isEmptiedWithin(goodbyeTimeout) {
			s.end(&unfinished{s.heldCount()})
		}
	}
	select {
	case <-s.ctx.Done():
	case <-time.After(goodbyeTimeout):
		s.end(errNoGoodbye)
	}
}

func (s *session) isEmptiedWithin(timeout time.Duration) bool {
	select {
	case <-s.emptied:
		return true
	case <-s.ctx.Done():
		return true
	case <-time.After(timeout):
		return false
	}
}

func (s *session) cancelAll(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.held {
		if l.cancel != nil {
			l.cancel(cause)
		}
	}
}

func (s *session) heldCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

// drained keeps of a session's end what matters once the worker is to stop anyway.
func drained(err error) error {
	var left *unfinished
	if errors.As(err, &left) {
		return left
	}
	return nil
}
