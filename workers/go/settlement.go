// What a handler's end means in the contract: a status, and the error envelope where it has failed.

package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
)

// Codes of failures that no error of the handler's has named.
const (
	codeDeadlineExceeded = "DEADLINE_EXCEEDED"
	codeCancelled        = "CANCELLED"
	codePanic            = "PANIC"
	codeUnknownHandler   = "UNKNOWN_HANDLER"
	// codeUnnamed is for errors of package errors and fmt, which have no type worth a name.
	codeUnnamed = "error"
)

// What users' errors say is cut where it is long, so that no settlement is too large to be sent. In bytes.
const (
	maxCodeLength    = 256
	maxMessageLength = 8 << 10
	maxStackLength   = 16 << 10
	maxDetails       = 64
)

// maxDelayMs is the longest delay of a host's timer.
const maxDelayMs = math.MaxInt32

// panicked is what a handler's panic becomes.
type panicked struct {
	value any
	stack []byte
}

func (e *panicked) Error() string { return fmt.Sprintf("panic: %v", e.value) }
func (e *panicked) Code() string  { return codePanic }

func (e *panicked) Format(s fmt.State, _ rune) { s.Write(e.stack) }

// exited is what becomes of a handler that ends its goroutine (runtime.Goexit, and so FailNow in tests).
type exited struct{}

func (exited) Error() string { return "the handler ended its goroutine" }
func (exited) Code() string  { return "GOEXIT" }

// attempt runs the handler to its end, and tells what came of it, without the lease's id. It tells by a call because the
// handler may end the goroutine: then attempt does not return.
func attempt(ctx context.Context, d *delivery, handler Handler, m *Message, ended func(*workerpb.Settlement)) {
	var err error = exited{}
	defer func() {
		if value := recover(); value != nil {
			err = &panicked{value: value, stack: debug.Stack()}
		}
		outputs := d.end()
		if context.Cause(ctx) == ErrLeaseExpired {
			// Whatever it has done, it was not its to do any more.
			err = &leaseExpired{err}
		}
		settlement := settlementOf(err)
		if err == nil {
			settlement.Outputs = outputs
		}
		ended(settlement)
	}()
	err = handler(&deliveryContext{ctx, d}, m)
}

// leaseExpired is a handler that has ended after its lease, and what it said.
type leaseExpired struct{ err error }

func (e *leaseExpired) Error() string {
	if e.err == nil {
		return "the handler ran past the deadline of its lease"
	}
	return "the handler ran past the deadline of its lease: " + e.err.Error()
}
func (e *leaseExpired) Code() string { return codeDeadlineExceeded }

func settlementOf(err error) *workerpb.Settlement {
	if err == nil {
		return &workerpb.Settlement{Status: workerpb.Status_STATUS_COMPLETED}
	}
	settlement := &workerpb.Settlement{Status: workerpb.Status_STATUS_FAILED, Error: envelopeOf(err)}
	var retry *Retry
	var drop *Drop
	var deadLetter *DeadLetter
	var fatal *Fatal
	switch {
	case errors.As(err, &fatal):
		settlement.Status = workerpb.Status_STATUS_FATAL
	case errors.As(err, &drop):
		settlement.Status = workerpb.Status_STATUS_DROP
	case errors.As(err, &deadLetter):
		settlement.Status = workerpb.Status_STATUS_DEAD_LETTER
	case errors.As(err, &retry):
		settlement.Status = workerpb.Status_STATUS_RETRY
		settlement.DelayMs = delayMs(retry.Delay)
	}
	return settlement
}

func delayMs(delay time.Duration) uint32 {
	ms := math.Ceil(float64(delay) / float64(time.Millisecond))
	return uint32(min(max(ms, 0), maxDelayMs))
}

func envelopeOf(err error) *workerpb.Error {
	envelope := &workerpb.Error{
		Code:    cut(codeOf(err), maxCodeLength),
		Message: cut(err.Error(), maxMessageLength),
		Stack:   cut(stackOf(err), maxStackLength),
	}
	var retriable interface{ Retriable() bool }
	if errors.As(err, &retriable) {
		answer := retriable.Retriable()
		envelope.Retriable = &answer
	}
	var detailed interface{ Details() map[string]string }
	if errors.As(err, &detailed) {
		envelope.Details = someOf(detailed.Details())
	}
	return envelope
}

// stackOf is what an error says of where it comes from: by Go's convention with the verb %+v.
func stackOf(err error) string {
	var formatter fmt.Formatter
	if !errors.As(err, &formatter) {
		return ""
	}
	return fmt.Sprintf("%+v", formatter)
}

// cut keeps texts valid UTF-8, as the contract wants them.
func cut(text string, length int) string {
	if len(text) > length {
		text = text[:length]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// someOf is as many details as fit an envelope.
func someOf(details map[string]string) map[string]string {
	some := make(map[string]string, min(len(details), maxDetails))
	for name, value := range details {
		if len(some) == maxDetails {
			break
		}
		some[cut(name, maxCodeLength)] = cut(value, maxMessageLength)
	}
	return some
}

// codeOf is what the error calls itself, or the name of its type.
func codeOf(err error) string {
	var coded interface{ Code() string }
	switch {
	case errors.As(err, &coded):
		return coded.Code()
	case errors.Is(err, context.DeadlineExceeded):
		return codeDeadlineExceeded
	case errors.Is(err, context.Canceled):
		return codeCancelled
	}
	for ; err != nil; err = errors.Unwrap(err) {
		kind := reflect.TypeOf(err)
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		if path := kind.PkgPath(); path != "errors" && path != "fmt" {
			return kind.String()
		}
	}
	return codeUnnamed
}

// namedError is an error of this package, with its code in the contract.
type namedError struct{ code, text string }

func (e *namedError) Error() string { return e.text }
func (e *namedError) Code() string  { return e.code }

// finalError is one that another attempt cannot help.
type finalError struct{ namedError }

func (e *finalError) Retriable() bool { return false }

func unknownHandler(name string) error {
	return &finalError{namedError{codeUnknownHandler, fmt.Sprintf("this worker has no handler %q", name)}}
}
