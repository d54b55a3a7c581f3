// One stream to the host: hello and welcome, receiving, sending, heartbeats, and the end.

package worker

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// welcomeTimeout is how long a host may take from the first byte to its Welcome.
	welcomeTimeout = 10 * time.Second
	// goodbyeTimeout is how long a host may take to end the stream after the worker has, and handlers to end once their
	// contexts have.
	goodbyeTimeout = 5 * time.Second
)

const (
	// capabilityOutputs is what a host calls it that it takes outputs.
	capabilityOutputs = "outputs"
	// capabilityAnsweredHeartbeats is what a worker calls it that the host knows when it starts nothing more, and when what
	// it has started has ended (rules 3 and 4).
	capabilityAnsweredHeartbeats = "answered-heartbeats"
)

// session is one stream to the host: what the worker holds by it, and how it ends.
//
// Goroutines: one receives (run), one sends (send), and one for each run of leases (handle). Only `mu` is locked while
// another lock is taken (the outbox's).
type session struct {
	worker *Worker
	stream workerpb.WorkerService_WorkClient
	clock  *hostClock
	outbox *outbox
	// ctx is the parent of every handler's; end cancels them and the stream.
	ctx       context.Context
	end       context.CancelCauseFunc
	heartbeat time.Duration
	// takesOutputs: the host has said that handlers may send.
	takesOutputs bool
	// silence ends the session heartbeat_timeout_ms after the last heartbeat that was answered was sent: so a host that is
	// cut off knows when. answeredUntil is when it first would.
	silence        *time.Timer
	silenceTimeout time.Duration
	answeredUntil  time.Time
	// attemptTimeout is how long a handler may run, whatever its lease says; 0: no limit.
	attemptTimeout time.Duration

	mu   sync.Mutex
	held map[uint64]*lease
	// Nothing new is started by a session that drains (drain.go). emptied is closed when it holds nothing any more.
	isDraining bool
	isEmptied  bool
	emptied    chan struct{}
}

// errEnded is a host that has closed the stream without a fault.
var errEnded = errors.New("the host has ended the stream")

// connect opens the stream, says hello and waits for the welcome. ctx only ends the waiting: a session that is welcome is
// drained by run.
func connect(ctx context.Context, w *Worker, connection *grpc.ClientConn) (*session, error) {
	sessionCtx, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stopWaiting := context.AfterFunc(ctx, func() { end(ctx.Err()) })
	defer stopWaiting()
	patience := time.AfterFunc(welcomeTimeout, func() {
		end(status.Error(codes.DeadlineExceeded, "no welcome"))
	})
	defer patience.Stop()

	s := &session{
		worker:  w,
		clock:   newHostClock(),
		outbox:  newOutbox(),
		ctx:     sessionCtx,
		end:     end,
		held:    make(map[uint64]*lease),
		emptied: make(chan struct{}),
	}
	if err := s.greet(connection); err != nil {
		if cause := context.Cause(sessionCtx); cause != nil {
			err = cause
		}
		end(err)
		return nil, err
	}
	return s, nil
}

func (s *session) greet(connection *grpc.ClientConn) error {
	options := s.worker.options
	ctx, err := authorized(s.ctx, options)
	if err != nil {
		return err
	}
	if s.stream, err = workerpb.NewWorkerServiceClient(connection).Work(ctx); err != nil {
		return err
	}
	if err := s.stream.Send(s.hello()); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	// Where the host has refused, Send has failed with EOF, and Recv tells why.
	answer, err := s.stream.Recv()
	if err != nil {
		return err
	}
	welcome := answer.GetWelcome()
	if welcome == nil {
		return status.Error(codes.FailedPrecondition, "the host's first answer is no welcome")
	}
	if welcome.GetHeartbeatIntervalMs() == 0 || welcome.GetHeartbeatTimeoutMs() == 0 {
		return status.Error(codes.FailedPrecondition, "the host's welcome has no heartbeat")
	}
	s.takesOutputs = slices.Contains(welcome.GetCapabilities(), capabilityOutputs)
	s.clock.observe(welcome.GetSentAtMs(), welcome.GetHostTimeMs())
	s.heartbeat = time.Duration(welcome.GetHeartbeatIntervalMs()) * time.Millisecond
	s.silenceTimeout = time.Duration(welcome.GetHeartbeatTimeoutMs()) * time.Millisecond
	s.attemptTimeout = time.Duration(welcome.GetAttemptTimeoutMs()) * time.Millisecond
	s.answeredUntil = s.clock.at(welcome.GetSentAtMs()).Add(s.silenceTimeout)
	options.Logger.Info("laneway: connected", "address", options.Address, "session", welcome.GetSession())
	return nil
}

func (s *session) hello() *workerpb.WorkRequest {
	options := s.worker.options
	hello := &workerpb.Hello{
		ContractVersion: contractVersion,
		Worker:          options.Name,
		Sdk:             sdk,
		Credits:         uint32(options.Credits),
		Capabilities:    []string{capabilityAnsweredHeartbeats},
		SentAtMs:        s.clock.nowMs(),
		MaxMessageBytes: uint64(options.MaxMessageBytes),
	}
	for name := range options.Handlers {
		hello.Handlers = append(hello.Handlers, name)
	}
	return &workerpb.WorkRequest{Kind: &workerpb.WorkRequest_Hello{Hello: hello}}
}

// run serves the session, which drains when ctx ends. It returns why the session has ended.
func (s *session) run(ctx context.Context) error {
	s.silence = time.AfterFunc(time.Until(s.answeredUntil), func() { s.end(ErrHostLost) })
	defer s.silence.Stop()
	stopWaiting := context.AfterFunc(ctx, func() { s.drain(byWorker) })
	defer stopWaiting()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.send()
	}()

	err := s.receive()
	if cause := context.Cause(s.ctx); cause != nil {
		err = cause
	}
	s.end(ErrHostLost)
	<-sent
	if errors.Is(err, io.EOF) {
		return errEnded
	}
	return err
}

func (s *session) receive() error {
	for {
		frame, err := s.stream.Recv()
		if err != nil {
			return err
		}
		switch kind := frame.GetKind().(type) {
		case *workerpb.WorkResponse_Leases:
			err = s.accept(kind.Leases)
		case *workerpb.WorkResponse_HeartbeatReply:
			s.answered(kind.HeartbeatReply)
		case *workerpb.WorkResponse_Cancel:
			s.cancel(kind.Cancel.GetLeases())
		case *workerpb.WorkResponse_Drain:
			s.drain(byHost)
		}
		if err != nil {
			return err
		}
	}
}

func (s *session) answered(reply *workerpb.HeartbeatReply) {
	s.clock.observe(reply.GetSentAtMs(), reply.GetHostTimeMs())
	s.silence.Reset(time.Until(s.clock.at(reply.GetSentAtMs()).Add(s.silenceTimeout)))
}

// send is the only one that sends after the hello. A failed Send needs no answer here: receive sees why.
func (s *session) send() {
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-beat.C:
			heartbeat := &workerpb.Heartbeat{SentAtMs: s.clock.nowMs()}
			s.post(&workerpb.WorkRequest{Kind: &workerpb.WorkRequest_Heartbeat{Heartbeat: heartbeat}})
		case <-s.outbox.wake:
			s.postAll()
		case <-s.emptied:
			s.postAll()
			s.stream.CloseSend()
			return
		}
	}
}

func (s *session) postAll() {
	for _, frame := range s.outbox.take() {
		s.post(frame)
	}
}

func (s *session) post(frame *workerpb.WorkRequest) {
	if err := s.stream.Send(frame); err != nil && !errors.Is(err, io.EOF) {
		s.end(err)
	}
}
