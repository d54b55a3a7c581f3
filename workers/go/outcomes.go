// What a handler returns where it has decided itself what becomes of the message. Each is found with errors.As, so it may
// be wrapped.

package worker

import (
	"fmt"
	"time"
)

// Retry asks for another attempt after Delay, whatever the host's retry policy says. Its lane stays closed until then.
type Retry struct {
	// Delay is rounded up to a millisecond.
	Delay  time.Duration
	Reason string
}

func (e *Retry) Error() string { return orElse(e.Reason, fmt.Sprintf("again in %s", e.Delay)) }

// Drop settles the message without having handled it; the host counts and logs it with its reason.
type Drop struct{ Reason string }

func (e *Drop) Error() string { return orElse(e.Reason, "dropped") }

// DeadLetter sends the message to the host's dead-letter topic.
type DeadLetter struct{ Reason string }

func (e *DeadLetter) Error() string { return orElse(e.Reason, "dead-lettered") }

// Fatal leaves the message unsettled and stops the host's consumer.
type Fatal struct{ Err error }

func (e *Fatal) Error() string {
	if e.Err == nil {
		return "fatal"
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Fatal) Unwrap() error { return e.Err }

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
