// What users choose, its defaults, and what is wrong with it.

package worker

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math"
	"os"
	"time"
)

// Handler handles one message; see the package's documentation for what its end means.
type Handler func(ctx context.Context, m *Message) error

// Options say where the host is and what runs here.
type Options struct {
	// Address of the host: "unix:/path/of/socket" or "host:port". Default: $LANEWAY_WORKER_ADDRESS.
	Address string
	// Handlers by the names that hosts call them by; "default" is what a host asks for that names none.
	Handlers map[string]Handler
	// Concurrency is how many handlers run at once. Default: 64.
	Concurrency int
	// Credits is how many messages the worker holds at once, those that wait for a handler included: more hide the time that
	// an answer takes to the host and back, and come back later from a worker that is lost. A host gives no more than 10,000. Default: twice Concurrency.
	Credits int
	// MaxMessageBytes is the largest message (key, value and headers) that is taken. Default: the host's limit.
	MaxMessageBytes int
	// Token is the bearer token for the host. Default: $LANEWAY_WORKER_TOKEN, and none where that is not set.
	Token string
	// TokenSource gives a token for each connection, in place of Token: for tokens that expire.
	TokenSource func(ctx context.Context) (string, error)
	// TLS is for hosts on other machines; a certificate in it is shown to the host. Default: plaintext, which is refused
	// where Address is neither a Unix socket nor loopback.
	TLS *tls.Config
	// AllowPlaintext allows it on any network.
	AllowPlaintext bool
	// Name of this process in the host's logs. Default: host name and process id.
	Name string
	// DrainTimeout is how long handlers may go on once Run's context has ended, before theirs end too. Default: 25 s, less than
	// Kubernetes waits.
	DrainTimeout time.Duration
	// GiveUpAfter is how long Run tries to reach a host, at first or after it was lost; negative: for ever. Default: a minute on
	// a Unix socket, whose host is gone with its machine; else for ever.
	GiveUpAfter time.Duration
	// Logger is told of connections and their ends. Default: slog.Default().
	Logger *slog.Logger
}

const (
	defaultConcurrency  = 64
	creditsForEach      = 2
	defaultDrainTimeout = 25 * time.Second
	giveUpOnSocketAfter = time.Minute
)

// OptionError is what [Worker.Run] returns for a wrong option.
type OptionError struct{ Option, Problem string }

func (e *OptionError) Error() string {
	return fmt.Sprintf("laneway: option %s %s", e.Option, e.Problem)
}

// withDefaults returns complete options, or an OptionError.
func (o Options) withDefaults() (Options, error) {
	if o.Address == "" {
		o.Address = os.Getenv("LANEWAY_WORKER_ADDRESS")
	}
	if o.Token == "" {
		o.Token = os.Getenv("LANEWAY_WORKER_TOKEN")
	}
	if o.TokenSource == nil {
		token := o.Token
		o.TokenSource = func(context.Context) (string, error) { return token, nil }
	}
	if o.Name == "" {
		name, err := os.Hostname()
		if err != nil {
			name = "go"
		}
		o.Name = fmt.Sprintf("%s-%d", name, os.Getpid())
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	setDefault(&o.Concurrency, defaultConcurrency)
	setDefault(&o.Credits, creditsForEach*o.Concurrency)
	setDefault(&o.DrainTimeout, defaultDrainTimeout)
	if isUnixSocket(o.Address) {
		setDefault(&o.GiveUpAfter, giveUpOnSocketAfter)
	} else {
		setDefault(&o.GiveUpAfter, -1)
	}
	return o, o.check()
}

func setDefault[T int | time.Duration](option *T, value T) {
	if *option == 0 {
		*option = value
	}
}

func (o Options) check() error {
	switch {
	case o.Address == "":
		return &OptionError{"Address", "is missing (and so is $LANEWAY_WORKER_ADDRESS)"}
	case len(o.Handlers) == 0:
		return &OptionError{"Handlers", "must have at least one"}
	case o.Concurrency < 1:
		return &OptionError{"Concurrency", "must be at least 1"}
	case o.Credits < 1 || o.Credits > math.MaxUint32:
		return &OptionError{"Credits", "must be at least 1 and fit 32 bits"}
	case o.MaxMessageBytes < 0:
		return &OptionError{"MaxMessageBytes", "must not be negative"}
	case o.DrainTimeout < 0:
		return &OptionError{"DrainTimeout", "must not be negative"}
	case o.TLS == nil && !o.AllowPlaintext && !isPrivate(o.Address):
		return &OptionError{"TLS", fmt.Sprintf("is needed for %s: it is neither a Unix socket nor loopback", o.Address)}
	}
	for name, handler := range o.Handlers {
		if handler == nil {
			return &OptionError{"Handlers", fmt.Sprintf("has nil for %q", name)}
		}
	}
	return nil
}
