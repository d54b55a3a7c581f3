// The worker: one session after the other, for as long as it is to run.

package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Version of this package, as hosts see it.
const Version = "0.1.0"

const (
	sdk             = "laneway-go/" + Version
	contractVersion = 1
)

const (
	firstReconnectDelay = 100 * time.Millisecond
	maxReconnectDelay   = 10 * time.Second
)

// Worker runs handlers for one host at a time.
type Worker struct {
	options Options
	slots   *slots
}

// New makes a worker; [Worker.Run] connects it, and tells what is wrong with the options.
func New(options Options) *Worker {
	return &Worker{options: options}
}

// Run dials the host and runs handlers until ctx ends. Then it drains: handlers that run may end, messages that wait go back,
// and Run returns nil. When the host is lost it dials again, with growing and random delays.
//
// It returns an [OptionError], the host's refusal (an error with a gRPC status: e.g. a wrong token), the last error of a
// host that could not be reached for Options.GiveUpAfter, or an error that says how many handlers did not end. It must be
// called once only.
func (w *Worker) Run(ctx context.Context) error {
	options, err := w.options.withDefaults()
	if err != nil {
		return err
	}
	w.options = options
	w.slots = newSlots(options.Concurrency)

	lostAt := time.Now()
	for failures := 0; ; failures++ {
		dialledAt := time.Now()
		wasWelcome, err := w.serve(ctx)
		if ctx.Err() != nil {
			return drained(err)
		}
		if wasWelcome {
			lostAt = time.Now()
		}
		if wasWelcome && time.Since(dialledAt) > maxReconnectDelay {
			failures = 0
		}
		if !wasWelcome && isRefusal(err) || options.GiveUpAfter >= 0 && time.Since(lostAt) > options.GiveUpAfter {
			return fmt.Errorf("laneway: no host at %s: %w", options.Address, err)
		}
		delay := reconnectDelay(failures)
		options.Logger.Warn("laneway: dialling again", "address", options.Address, "delay", delay, "reason", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
	}
}

// serve is one session, from dialling to its end.
func (w *Worker) serve(ctx context.Context) (wasWelcome bool, err error) {
	connection, err := dial(w.options)
	if err != nil {
		return false, err
	}
	defer connection.Close()
	session, err := connect(ctx, w, connection)
	if err != nil {
		return false, err
	}
	return true, session.run(ctx)
}

// isRefusal tells whether the host would say the same to another attempt.
func isRefusal(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.PermissionDenied, codes.FailedPrecondition, codes.Unimplemented,
		codes.Unauthenticated:
		return true
	}
	return false
}

// reconnectDelay is exponential with full jitter, so that the workers of a host that has come back do not dial in step.
func reconnectDelay(failures int) time.Duration {
	ceiling := min(firstReconnectDelay<<min(failures, 10), maxReconnectDelay)
	return rand.N(ceiling) + time.Millisecond
}
