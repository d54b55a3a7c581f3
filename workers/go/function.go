// Simple functions: a server that the host calls once for each message.

package worker

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"math"
	"net"
	"strings"
	"time"

	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// FunctionOptions say what [ServeFunction] serves, and to whom.
type FunctionOptions struct {
	// Handlers by the names that hosts call them by.
	Handlers map[string]Handler
	// Concurrency is how many handlers run at once for one host; more calls wait. Default: 64.
	Concurrency int
	// MaxMessageBytes is the largest message (key, value and headers) that is taken. Default: 16 MiB.
	MaxMessageBytes int
	// DrainTimeout is how long calls may go on once the context has ended, before theirs end too. Default: 25 s.
	DrainTimeout time.Duration
	// Token is the bearer token that callers must have. Default: none.
	Token string
	// TLS is needed where the listener is neither a Unix socket nor on loopback.
	TLS *tls.Config
	// AllowPlaintext allows it on any network.
	AllowPlaintext bool
}

const (
	defaultMaxCallBytes = 16 << 20
	// callOverheadBytes is for what a call has besides its message.
	callOverheadBytes = 1 << 20
)

// ServeFunction serves simple functions: the host dials them, with callFunction(), and calls once for each message, so that
// anything that balances gRPC calls can stand between the two. It closes the listener, and returns once ctx has ended and the
// calls that run have; or an [OptionError], or what is wrong with the listener.
func ServeFunction(ctx context.Context, listener net.Listener, options FunctionOptions) error {
	setDefault(&options.Concurrency, defaultConcurrency)
	setDefault(&options.MaxMessageBytes, defaultMaxCallBytes)
	setDefault(&options.DrainTimeout, defaultDrainTimeout)
	if err := options.check(listener.Addr()); err != nil {
		listener.Close()
		return err
	}
	serverOptions := []grpc.ServerOption{
		grpc.MaxConcurrentStreams(uint32(options.Concurrency)),
		grpc.MaxRecvMsgSize(options.MaxMessageBytes + callOverheadBytes),
	}
	if options.TLS != nil {
		serverOptions = append(serverOptions, grpc.Creds(credentials.NewTLS(options.TLS)))
	}
	server := grpc.NewServer(serverOptions...)
	workerpb.RegisterFunctionServiceServer(server, &functions{options: options})
	stopWaiting := context.AfterFunc(ctx, func() {
		patience := time.AfterFunc(options.DrainTimeout, server.Stop)
		defer patience.Stop()
		server.GracefulStop()
	})
	defer stopWaiting()
	return server.Serve(listener)
}

func (o FunctionOptions) check(address net.Addr) error {
	switch {
	case len(o.Handlers) == 0:
		return &OptionError{"Handlers", "must have at least one"}
	case o.Concurrency < 1 || o.Concurrency > math.MaxUint32:
		return &OptionError{"Concurrency", "must be at least 1 and fit 32 bits"}
	case o.DrainTimeout < 0:
		return &OptionError{"DrainTimeout", "must not be negative"}
	case o.MaxMessageBytes < 1:
		return &OptionError{"MaxMessageBytes", "must be at least 1"}
	case o.TLS == nil && !o.AllowPlaintext && address.Network() != "unix" && !isPrivate(address.String()):
		return &OptionError{"TLS", "is needed for " + address.String() + ": it is neither a Unix socket nor loopback"}
	}
	return nil
}

type functions struct {
	workerpb.UnimplementedFunctionServiceServer
	options FunctionOptions
}

// Call runs a handler; the call's deadline and cancellation are its context's.
func (f *functions) Call(ctx context.Context, call *workerpb.CallRequest) (*workerpb.CallResponse, error) {
	if !f.isAuthorized(ctx) {
		return nil, status.Error(codes.Unauthenticated, "the token is missing or wrong")
	}
	handler := f.options.Handlers[call.GetHandler()]
	if handler == nil {
		return nil, status.Error(codes.NotFound, unknownHandler(call.GetHandler()).Error())
	}
	message := messageOf(call.GetTopic(), call.GetPartition(), call.GetMessage())
	d := &delivery{
		attempt:       call.GetAttempt(),
		firstFailedAt: call.FirstFailedAtMs,
		metadata:      call.GetMessage().GetMetadata(),
		takesOutputs:  true, // The host says so where it does not.
	}
	// On a goroutine of its own, because a handler may end it, and the server would wait for an answer for ever.
	answer := make(chan *workerpb.Settlement, 1)
	go attempt(ctx, d, handler, message, func(settlement *workerpb.Settlement) { answer <- settlement })
	return &workerpb.CallResponse{Settlement: <-answer}, nil
}

func (f *functions) isAuthorized(ctx context.Context) bool {
	if f.options.Token == "" {
		return true
	}
	for _, value := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		token, isBearer := strings.CutPrefix(value, "Bearer ")
		if isBearer && subtle.ConstantTimeCompare([]byte(token), []byte(f.options.Token)) == 1 {
			return true
		}
	}
	return false
}
