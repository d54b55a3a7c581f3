// What becomes of errors and panics.

package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"

	worker "github.com/laneway-dev/laneway/workers/go"
	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
)

type declined struct{ final bool }

func (e *declined) Error() string              { return "card declined" }
func (e *declined) Code() string               { return "Declined" }
func (e *declined) Retriable() bool            { return !e.final }
func (e *declined) Details() map[string]string { return map[string]string{"bank": "42"} }

func TestErrorsBecomeTheEnvelope(t *testing.T) {
	h := newHost(t)
	fails := make(chan func() error, 1)
	h.start(obeying(func(context.Context, *worker.Message) error { return (<-fails)() }))
	s := h.connected()

	cases := []struct {
		title   string
		fail    func() error
		status  workerpb.Status
		code    string
		message string
	}{
		{"a plain error", func() error { return errors.New("broken") }, failed, "error", "broken"},
		{"a wrapped plain error", func() error { return fmt.Errorf("outer: %w", errors.New("inner")) }, failed, "error", "outer: inner"},
		{"an error of a type", func() error {
			return fmt.Errorf("reading: %w", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist})
		},
			failed, "fs.PathError", "reading: open x: file does not exist"},
		{"an error with a code", func() error { return fmt.Errorf("paying: %w", &declined{}) }, failed, "Declined", "paying: card declined"},
		{"a deadline of the handler's own", func() error { return fmt.Errorf("get: %w", context.DeadlineExceeded) }, failed, "DEADLINE_EXCEEDED", "get: context deadline exceeded"},
		{"a cancellation", func() error { return context.Canceled }, failed, "CANCELLED", "context canceled"},
		{"a panic", func() error { panic("boom") }, failed, "PANIC", "panic: boom"},
		{"a goroutine's end", func() error { runtime.Goexit(); return nil }, failed, "GOEXIT", "the handler ended its goroutine"},
		{"Retry", func() error { return &worker.Retry{Delay: time.Second, Reason: "busy"} }, workerpb.Status_STATUS_RETRY, "worker.Retry", "busy"},
		{"Drop", func() error { return &worker.Drop{Reason: "test data"} }, workerpb.Status_STATUS_DROP, "worker.Drop", "test data"},
		{"DeadLetter, wrapped", func() error { return fmt.Errorf("user 7: %w", &worker.DeadLetter{Reason: "no user"}) },
			workerpb.Status_STATUS_DEAD_LETTER, "worker.DeadLetter", "user 7: no user"},
		{"Fatal", func() error { return &worker.Fatal{Err: errors.New("no licence")} }, workerpb.Status_STATUS_FATAL, "worker.Fatal", "no licence"},
	}
	for i, each := range cases {
		t.Run(each.title, func(t *testing.T) {
			fails <- each.fail
			s.give(time.Minute, uint64(i+1))
			settlement := s.expect(uint64(i+1), each.status)
			envelope := settlement.GetError()
			if envelope.GetCode() != each.code || envelope.GetMessage() != each.message {
				t.Errorf("got %v", envelope)
			}
		})
	}
}

func TestAnErrorTellsWhetherToRetryAndItsDetails(t *testing.T) {
	h := newHost(t)
	h.start(obeying(func(context.Context, *worker.Message) error { return &declined{final: true} }))
	s := h.connected()
	s.give(time.Minute, 1)
	envelope := s.expect(1, failed).GetError()
	if envelope.Retriable == nil || *envelope.Retriable || envelope.GetDetails()["bank"] != "42" {
		t.Errorf("got %v", envelope)
	}
}

func TestAPanicBringsItsStack(t *testing.T) {
	h := newHost(t)
	h.start(obeying(func(context.Context, *worker.Message) error { return explode() }))
	s := h.connected()
	s.give(time.Minute, 1)
	if stack := s.expect(1, failed).GetError().GetStack(); !strings.Contains(stack, "explode") {
		t.Errorf("stack: %s", stack)
	}
}

func explode() error {
	var none []int
	_ = none[1]
	return nil
}

func TestARetryCarriesItsDelay(t *testing.T) {
	for delay, want := range map[time.Duration]uint32{
		0:                       0,
		-time.Second:            0,
		time.Nanosecond:         1,
		1500 * time.Millisecond: 1500,
		1 << 62:                 1<<31 - 1,
	} {
		h := newHost(t)
		stop, _ := h.start(obeying(func(context.Context, *worker.Message) error { return &worker.Retry{Delay: delay} }))
		s := h.connected()
		s.give(time.Minute, 1)
		if got := s.expect(1, workerpb.Status_STATUS_RETRY).GetDelayMs(); got != want {
			t.Errorf("%v: %d ms, want %d", delay, got, want)
		}
		stop()
	}
}

func TestAHandlerThatTheWorkerDoesNotHaveFailsForGood(t *testing.T) {
	h := newHost(t)
	h.start(obeying(func(context.Context, *worker.Message) error { return nil }))
	s := h.connected()
	s.giveTo("other", time.Minute, 1, 2)
	envelope := s.expect(1, failed).GetError()
	if envelope.GetCode() != "UNKNOWN_HANDLER" || envelope.Retriable == nil || *envelope.Retriable {
		t.Errorf("got %v", envelope)
	}
}
