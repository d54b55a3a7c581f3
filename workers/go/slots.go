// The places of a worker: how many handlers run at once, and who is next. They are of the worker and not of a session,
// because handlers that ignore their context outlive theirs.

package worker

import (
	"slices"
	"sync"
)

// slots serves who waits in the order of arrival.
type slots struct {
	mu      sync.Mutex
	free    int
	waiting []*place
}

// place is a place in the line, and then a slot. ready is closed when it has become one.
type place struct {
	slots *slots
	ready chan struct{}
	// Guarded by the lock of slots.
	isSlot bool
}

func newSlots(count int) *slots {
	return &slots{free: count}
}

// queue takes the last place in the line. It must be left.
func (s *slots) queue() *place {
	p := &place{slots: s, ready: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, p)
	s.serve()
	return p
}

// leave ends the waiting, or frees the slot.
func (p *place) leave() {
	s := p.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.isSlot {
		s.free++
		s.serve()
		return
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(each *place) bool { return each == p })
}

// serve makes slots of the first places, as far as there are any. The lock is held.
func (s *slots) serve() {
	for s.free > 0 && len(s.waiting) > 0 {
		first := s.waiting[0]
		s.waiting[0] = nil
		s.waiting = s.waiting[1:]
		s.free--
		first.isSlot = true
		close(first.ready)
	}
}
