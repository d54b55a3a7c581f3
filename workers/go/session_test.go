// Connecting, being refused, credits, and what a worker of today does with a host of tomorrow.

package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	worker "github.com/laneway-dev/laneway/workers/go"
	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

func ok(context.Context, *worker.Message) error { return nil }

func TestTheHelloSaysWhoAndHowMuch(t *testing.T) {
	h := newHost(t)
	options := obeying(ok)
	options.Concurrency, options.Credits, options.MaxMessageBytes, options.Name = 2, 9, 1000, "scorer"
	options.Token = "secret"
	h.start(options)
	s := h.connected()
	hello := s.hello
	if hello.GetContractVersion() != 1 || hello.GetWorker() != "scorer" || hello.GetSdk() != "laneway-go/"+worker.Version {
		t.Errorf("got %v", hello)
	}
	if hello.GetCredits() != 9 || hello.GetMaxMessageBytes() != 1000 || len(hello.GetHandlers()) != 1 || hello.GetHandlers()[0] != "obey" {
		t.Errorf("got %v", hello)
	}
	if token := s.metadata.Get("authorization"); len(token) != 1 || token[0] != "Bearer secret" {
		t.Errorf("authorization: %v", token)
	}
}

func TestAddressAndTokenComeFromTheEnvironment(t *testing.T) {
	h := newHost(t)
	t.Setenv("LANEWAY_WORKER_ADDRESS", h.address)
	t.Setenv("LANEWAY_WORKER_TOKEN", "from outside")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go worker.New(obeying(ok)).Run(ctx)
	s := h.connected()
	if token := s.metadata.Get("authorization"); len(token) != 1 || token[0] != "Bearer from outside" {
		t.Errorf("authorization: %v", token)
	}
}

func TestNoMoreHandlersRunThanConcurrencySays(t *testing.T) {
	h, g := newHost(t), newGate()
	options := obeying(g.handle)
	options.Concurrency = 2
	h.start(options)
	s := h.connected()
	for id := uint64(1); id <= 3; id++ {
		s.give(time.Minute, id)
	}
	next(t, "a start", g.started)
	next(t, "a start", g.started)
	g.goOn <- nil
	s.settlement()
	next(t, "a third start, once there is room", g.started)
}

func TestRunsThatWaitStartInTheOrderInWhichTheyCame(t *testing.T) {
	h, g := newHost(t), newGate()
	options := obeying(g.handle)
	options.Concurrency, options.Credits = 1, 100
	h.start(options)
	s := h.connected()
	deadline := nowMs() + 60_000
	var runs []*workerpb.Run
	for id := uint64(1); id <= 100; id++ {
		runs = append(runs, runOf(deadline, id))
	}
	s.giveRuns("obey", runs...)
	for id := int64(1); id <= 100; id++ {
		if got := next(t, "a start", g.started); got != id {
			t.Fatalf("started %d, want %d", got, id)
		}
		g.goOn <- nil
	}
}

func TestAHostThatGivesMoreThanThereAreCreditsForIsLeft(t *testing.T) {
	h, g := newHost(t), newGate()
	options := obeying(g.handle)
	options.Credits = 2
	h.start(options)
	s := h.connected()
	s.give(time.Minute, 1, 2, 3)
	next(t, "the worker's end", s.ended)
	if len(g.started) != 0 {
		t.Error("it started one of them")
	}
}

func TestARefusalEndsRun(t *testing.T) {
	h := newHost(t)
	h.refusal = status.Error(codes.Unauthenticated, "who are you?")
	_, wait := h.start(obeying(ok))
	if err := wait(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %v", err)
	}
}

func TestAWorkerWaitsForItsHost(t *testing.T) {
	h := newHost(t)
	socket := h.address[len("unix:"):]
	hidden := socket + ".hidden"
	if err := os.Rename(socket, hidden); err != nil {
		t.Fatal(err)
	}
	h.start(obeying(ok))
	time.AfterFunc(300*time.Millisecond, func() { os.Rename(hidden, socket) })
	h.connected()
}

func TestAWorkerGivesUpOnAHostThatDoesNotCome(t *testing.T) {
	options := obeying(ok)
	options.Address = "unix:" + filepath.Join(t.TempDir(), "nobody.sock")
	options.GiveUpAfter = 300 * time.Millisecond
	options.Logger = slog.New(slog.DiscardHandler)
	if err := worker.New(options).Run(context.Background()); status.Code(errors.Unwrap(err)) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestAStoppedWorkerNeedsNoHost(t *testing.T) {
	options := obeying(ok)
	options.Address = "unix:" + filepath.Join(t.TempDir(), "nobody.sock")
	options.Logger = slog.New(slog.DiscardHandler)
	ctx, stop := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer stop()
	if err := worker.New(options).Run(ctx); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	t.Setenv("LANEWAY_WORKER_ADDRESS", "")
	handlers := map[string]worker.Handler{"obey": ok}
	for want, options := range map[string]worker.Options{
		"Address":         {Handlers: handlers},
		"Handlers":        {Address: "unix:x"},
		"Concurrency":     {Address: "unix:x", Handlers: handlers, Concurrency: -1},
		"Credits":         {Address: "unix:x", Handlers: handlers, Credits: -1},
		"MaxMessageBytes": {Address: "unix:x", Handlers: handlers, MaxMessageBytes: -1},
		"DrainTimeout":    {Address: "unix:x", Handlers: handlers, DrainTimeout: -1},
		"TLS":             {Address: "192.0.2.1:443", Handlers: handlers},
	} {
		var wrong *worker.OptionError
		if err := worker.New(options).Run(context.Background()); !errors.As(err, &wrong) || wrong.Option != want {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

func TestWhatIsUnknownIsIgnored(t *testing.T) {
	h := newHost(t)
	h.start(obeying(ok))
	s := h.connected()
	// A kind of frame, and a field of a lease, that there may be one day.
	later := &workerpb.WorkResponse{}
	later.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "news"))
	s.send(later)
	run := runOf(nowMs()+60_000, 1)
	run.Leases[0].ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 7))
	s.giveRuns("obey", run)
	s.expect(1, completed)
}

func TestSettlementsTravelTogether(t *testing.T) {
	h := newHost(t)
	options := obeying(ok)
	options.Credits = 20_000
	h.start(options)
	s := h.connected()
	const runs, length = 1_000, 20
	deadline, id := nowMs()+60_000, uint64(0)
	var all []*workerpb.Run
	for range runs {
		ids := make([]uint64, length)
		for i := range ids {
			id++
			ids[i] = id
		}
		all = append(all, runOf(deadline, ids...))
	}
	s.giveRuns("obey", all...)
	for range runs * length {
		s.settlement()
	}
	if frames := len(s.frames); frames > runs*length/2 {
		t.Errorf("%d frames for %d settlements", frames, runs*length)
	}
}
