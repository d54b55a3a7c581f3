// A host that does what a test says: it serves the contract on a Unix socket, and shows what the worker sends.

package worker_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	worker "github.com/laneway-dev/laneway/workers/go"
	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// patience is how long a test waits for what must happen; a working worker needs milliseconds.
const patience = 20 * time.Second

type host struct {
	workerpb.UnimplementedWorkerServiceServer
	t        testing.TB
	address  string
	streams  chan *stream
	refusal  error
	welcome  *workerpb.Welcome
	hostTime func() float64
}

func nowMs() float64 { return float64(time.Now().UnixMicro()) / 1000 }

func newHost(t testing.TB) *host {
	h := &host{
		t:        t,
		address:  "unix:" + filepath.Join(t.TempDir(), "host.sock"),
		streams:  make(chan *stream, 16),
		welcome:  &workerpb.Welcome{ContractVersion: 1, HeartbeatIntervalMs: 100, HeartbeatTimeoutMs: 60_000, Capabilities: []string{"outputs"}},
		hostTime: nowMs,
	}
	listener, err := net.Listen("unix", h.address[len("unix:"):])
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	workerpb.RegisterWorkerServiceServer(server, h)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return h
}

// stream is one worker as the host sees it.
type stream struct {
	t        testing.TB
	grpc     workerpb.WorkerService_WorkServer
	hello    *workerpb.Hello
	metadata metadata.MD
	// settled has every settlement in the order of its arrival, drained a value for each Drain.
	settled chan *workerpb.Settlement
	frames  chan int
	drained chan struct{}
	// ended is closed when the worker has ended its side; close ends the host's.
	ended chan struct{}
	close chan error
	sends sync.Mutex
}

func (h *host) Work(g workerpb.WorkerService_WorkServer) error {
	if h.refusal != nil {
		return h.refusal
	}
	first, err := g.Recv()
	if err != nil {
		return err
	}
	md, _ := metadata.FromIncomingContext(g.Context())
	s := &stream{
		t: h.t, grpc: g, hello: first.GetHello(), metadata: md,
		settled: make(chan *workerpb.Settlement, 100_000),
		frames:  make(chan int, 100_000),
		drained: make(chan struct{}, 1),
		ended:   make(chan struct{}),
		close:   make(chan error, 1),
	}
	h.welcome.SentAtMs, h.welcome.HostTimeMs = s.hello.GetSentAtMs(), h.hostTime()
	s.send(&workerpb.WorkResponse{Kind: &workerpb.WorkResponse_Welcome{Welcome: h.welcome}})
	go h.receive(s)
	h.streams <- s
	select {
	case err := <-s.close:
		return err
	case <-g.Context().Done():
		return nil
	}
}

func (h *host) receive(s *stream) {
	defer close(s.ended)
	for {
		frame, err := s.grpc.Recv()
		if err != nil {
			return
		}
		switch kind := frame.GetKind().(type) {
		case *workerpb.WorkRequest_Settlements:
			s.frames <- len(kind.Settlements.GetSettlements())
			for _, settlement := range kind.Settlements.GetSettlements() {
				s.settled <- settlement
			}
		case *workerpb.WorkRequest_Heartbeat:
			reply := &workerpb.HeartbeatReply{SentAtMs: kind.Heartbeat.GetSentAtMs(), HostTimeMs: h.hostTime()}
			s.send(&workerpb.WorkResponse{Kind: &workerpb.WorkResponse_HeartbeatReply{HeartbeatReply: reply}})
		case *workerpb.WorkRequest_Drain:
			s.drained <- struct{}{}
		}
	}
}

func (s *stream) send(frame *workerpb.WorkResponse) {
	s.sends.Lock()
	defer s.sends.Unlock()
	s.grpc.Send(frame)
}

// start runs a worker for the host until the test ends; wait returns what Run has.
func (h *host) start(options worker.Options) (stop context.CancelFunc, wait func() error) {
	h.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	options.Address = h.address
	options.Logger = slog.New(slog.DiscardHandler)
	result := make(chan error, 1)
	go func() { result <- worker.New(options).Run(ctx) }()
	wait = func() error { h.t.Helper(); return next(h.t, "the end of Run", result) }
	h.t.Cleanup(stop)
	return stop, wait
}

// connected is the next worker's stream.
func (h *host) connected() *stream {
	h.t.Helper()
	return next(h.t, "a worker", h.streams)
}

// give leases messages of one lane, with these ids, for `lease` from now on.
func (s *stream) give(lease time.Duration, ids ...uint64) {
	s.giveTo("obey", lease, ids...)
}

func (s *stream) giveTo(handler string, lease time.Duration, ids ...uint64) {
	deadline := nowMs() + float64(lease/time.Millisecond)
	s.giveRuns(handler, runOf(deadline, ids...))
}

func (s *stream) giveRuns(handler string, runs ...*workerpb.Run) {
	leases := &workerpb.Leases{Handler: handler, Runs: runs}
	s.send(&workerpb.WorkResponse{Kind: &workerpb.WorkResponse_Leases{Leases: leases}})
}

func runOf(deadlineMs float64, ids ...uint64) *workerpb.Run {
	run := &workerpb.Run{Topic: "orders", Partition: 3}
	for _, id := range ids {
		message := &workerpb.Message{Offset: int64(id), TimestampMs: -1}
		run.Leases = append(run.Leases, &workerpb.Lease{Id: id, Message: message, Attempt: 1, DeadlineMs: deadlineMs})
	}
	return run
}

func (s *stream) cancel(ids ...uint64) {
	cancel := &workerpb.Cancel{Leases: ids, Reason: "revoked"}
	s.send(&workerpb.WorkResponse{Kind: &workerpb.WorkResponse_Cancel{Cancel: cancel}})
}

func (s *stream) drain() {
	s.send(&workerpb.WorkResponse{Kind: &workerpb.WorkResponse_Drain{Drain: &workerpb.Drain{Reason: "closing"}}})
}

// sync waits until the worker has seen all that was sent so far: it answers for a lease that is over at once.
func (s *stream) sync(lease uint64) {
	s.t.Helper()
	s.give(-time.Second, lease)
	s.expect(lease, workerpb.Status_STATUS_RELEASED)
}

// settlement is the next one that arrives.
func (s *stream) settlement() *workerpb.Settlement {
	s.t.Helper()
	return next(s.t, "a settlement", s.settled)
}

// expect has the next settlement be of this lease, with this status.
func (s *stream) expect(lease uint64, status workerpb.Status) *workerpb.Settlement {
	s.t.Helper()
	settlement := s.settlement()
	if settlement.GetLease() != lease || settlement.GetStatus() != status {
		s.t.Fatalf("got %v, want lease %d to be %v", settlement, lease, status)
	}
	return settlement
}

func next[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}
