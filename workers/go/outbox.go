// Settlements on their way to the host, many in a frame.

package worker

import (
	"sync"

	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
	"google.golang.org/protobuf/proto"
)

// A frame of settlements ends with the one that reaches either limit.
const (
	maxSettlementsInFrame = 1024
	maxBytesInFrame       = 1 << 20
)

// outbox gathers what handlers settle while an earlier frame is on its way, so that a busy worker sends few large frames
// and an idle one answers at once. It holds no more settlements than the worker has credits.
type outbox struct {
	// wake has room for one: who settles never waits.
	wake chan struct{}

	mu          sync.Mutex
	settlements []*workerpb.Settlement
	isDraining  bool
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1)}
}

func (o *outbox) settle(settlement *workerpb.Settlement) {
	o.mu.Lock()
	o.settlements = append(o.settlements, settlement)
	o.mu.Unlock()
	o.ring()
}

// drain tells the host that the worker wants to end.
func (o *outbox) drain() {
	o.mu.Lock()
	o.isDraining = true
	o.mu.Unlock()
	o.ring()
}

func (o *outbox) ring() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take empties the outbox into frames.
func (o *outbox) take() []*workerpb.WorkRequest {
	o.mu.Lock()
	settlements, isDraining := o.settlements, o.isDraining
	o.settlements, o.isDraining = nil, false
	o.mu.Unlock()

	var frames []*workerpb.WorkRequest
	if isDraining {
		drain := &workerpb.Drain{Reason: "the worker stops"}
		frames = append(frames, &workerpb.WorkRequest{Kind: &workerpb.WorkRequest_Drain{Drain: drain}})
	}
	for len(settlements) > 0 {
		count := countOfFrame(settlements)
		frame := &workerpb.Settlements{Settlements: settlements[:count]}
		frames = append(frames, &workerpb.WorkRequest{Kind: &workerpb.WorkRequest_Settlements{Settlements: frame}})
		settlements = settlements[count:]
	}
	return frames
}

func countOfFrame(settlements []*workerpb.Settlement) int {
	bytes := 0
	for i, settlement := range settlements {
		bytes += proto.Size(settlement)
		if bytes >= maxBytesInFrame || i+1 == maxSettlementsInFrame {
			return i + 1
		}
	}
	return len(settlements)
}
