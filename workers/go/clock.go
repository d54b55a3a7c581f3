// The host's clock, as far as a worker needs it: deadlines mean the same on both sides whatever the network does.

package worker

import (
	"math"
	"sync"
	"time"
)

// farAwayMs bounds deadlines to what a time.Duration holds.
const farAwayMs = 1e12

// hostClock turns deadlines of the host's clock into the worker's own time, never later than they are.
//
// An observation (host_time - sent_at) is the difference of the clocks plus the time that the worker's heartbeat took to
// the host. So the smallest of the last few is the closest, and errs on the early side. Old ones are forgotten, because
// clocks drift apart.
type hostClock struct {
	origin time.Time

	mu      sync.Mutex
	offsets [8]float64
	next    int
}

func newHostClock() *hostClock {
	clock := &hostClock{origin: time.Now()}
	for i := range clock.offsets {
		clock.offsets[i] = math.Inf(1)
	}
	return clock
}

// nowMs is the worker's own clock: monotonic, with an origin of its own.
func (c *hostClock) nowMs() float64 {
	return float64(time.Since(c.origin)) / float64(time.Millisecond)
}

// observe learns from a Welcome or HeartbeatReply.
func (c *hostClock) observe(sentAtMs, hostTimeMs float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offsets[c.next] = hostTimeMs - sentAtMs
	c.next = (c.next + 1) % len(c.offsets)
}

// at is a time of the worker's own clock.
func (c *hostClock) at(ms float64) time.Time {
	if !(ms > 0) { // Also for NaN: what comes from outside must not become a time that never is.
		ms = 0
	}
	return c.origin.Add(time.Duration(min(ms, farAwayMs) * float64(time.Millisecond)))
}

// local is when the host's clock shows deadlineMs, or a little before.
func (c *hostClock) local(deadlineMs float64) time.Time {
	c.mu.Lock()
	offset := math.Inf(1)
	for _, each := range c.offsets {
		offset = min(offset, each)
	}
	c.mu.Unlock()
	return c.at(deadlineMs - offset)
}
