// The obedient handler, as test/worker-conformance describes it.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	worker "github.com/laneway-dev/laneway/workers/go"
)

// orders is what a message's value may ask for; done in this order.
type orders struct {
	SpinMs             float64 `json:"spinMs"`
	SleepMs            float64 `json:"sleepMs"`
	IgnoreCancelMs     float64 `json:"ignoreCancelMs"`
	HangUntilCancelled bool    `json:"hangUntilCancelled"`
	CrashUntil         int     `json:"crashUntil"`
	FailUntil          int     `json:"failUntil"`
	Retriable          *bool   `json:"retriable"`
	Output             *struct {
		Topic string  `json:"topic"`
		Value *string `json:"value"`
	} `json:"output"`
	Outcome string  `json:"outcome"`
	DelayMs float64 `json:"delayMs"`
	Reason  string  `json:"reason"`
}

// failure has a code of its own, and knows whether another attempt may help where the message says so.
type failure struct {
	code, text string
	stack      []byte
}

func newFailure(code, text string) failure { return failure{code, text, debug.Stack()} }

func (e *failure) Error() string              { return e.text }
func (e *failure) Code() string               { return e.code }
func (e *failure) Format(s fmt.State, _ rune) { s.Write(e.stack) }

type decidedFailure struct {
	failure
	retriable bool
}

func (e *decidedFailure) Retriable() bool { return e.retriable }

type obedient struct{ ledger *ledger }

// handle does what it is told. A value that is no JSON object tells nothing.
func (o obedient) handle(ctx context.Context, m *worker.Message) (err error) {
	var told orders
	if json.Unmarshal(m.Value, &told) != nil {
		told = orders{}
	}
	if err := o.ledger.write(ctx, "start", m); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.ledger.write(ctx, "end", m)) }()
	if err := o.pass(ctx, m, told); err != nil {
		return err
	}
	if worker.Attempt(ctx) < told.CrashUntil {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // Until the signal arrives.
	}
	if worker.Attempt(ctx) < told.FailUntil {
		return failureOf(told)
	}
	if told.Output != nil {
		record := worker.Record{Topic: told.Output.Topic}
		if told.Output.Value != nil {
			record.Value = []byte(*told.Output.Value)
		}
		if err := worker.Send(ctx, record); err != nil {
			return err
		}
	}
	return outcomeOf(told)
}

// pass lets time pass as it is told.
func (o obedient) pass(ctx context.Context, m *worker.Message, told orders) error {
	for until := time.Now().Add(ms(told.SpinMs)); time.Now().Before(until); {
	}
	if told.SleepMs > 0 {
		select {
		case <-time.After(ms(told.SleepMs)):
		case <-ctx.Done():
			return o.cancelled(ctx, m)
		}
	}
	time.Sleep(ms(told.IgnoreCancelMs))
	if told.HangUntilCancelled {
		<-ctx.Done()
		return o.cancelled(ctx, m)
	}
	return nil
}

func (o obedient) cancelled(ctx context.Context, m *worker.Message) error {
	failed := newFailure("Cancelled", context.Cause(ctx).Error())
	return errors.Join(&failed, o.ledger.write(ctx, "cancelled", m))
}

func failureOf(told orders) error {
	failed := newFailure("ToldToFail", "told to fail")
	if told.Retriable == nil {
		return &failed
	}
	return &decidedFailure{failed, *told.Retriable}
}

func outcomeOf(told orders) error {
	switch told.Outcome {
	case "fail":
		return failureOf(told)
	case "retry":
		return &worker.Retry{Delay: ms(told.DelayMs), Reason: told.Reason}
	case "drop":
		return &worker.Drop{Reason: told.Reason}
	case "deadLetter":
		return &worker.DeadLetter{Reason: told.Reason}
	case "fatal":
		return &worker.Fatal{Err: errors.New("told to end the consumer")}
	}
	return nil
}

func ms(count float64) time.Duration { return time.Duration(count * float64(time.Millisecond)) }
