// Simple functions, called as a host calls them.

package worker_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	worker "github.com/laneway-dev/laneway/workers/go"
	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// serve serves handlers on loopback until the test ends, and returns a caller.
func serve(t *testing.T, options worker.FunctionOptions) workerpb.FunctionServiceClient {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- worker.ServeFunction(ctx, listener, options) }()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		connection.Close()
		stop()
		if err := next(t, "the server's end", result); err != nil {
			t.Errorf("ServeFunction: %v", err)
		}
	})
	return workerpb.NewFunctionServiceClient(connection)
}

func callOf(handler string) *workerpb.CallRequest {
	message := &workerpb.Message{Offset: 7, Value: []byte("v"), Metadata: map[string]string{"traceparent": "00-aa-bb-01"}}
	return &workerpb.CallRequest{Handler: handler, Topic: "orders", Partition: 1, Message: message, Attempt: 2}
}

func TestAFunctionAnswersWithItsSettlement(t *testing.T) {
	client := serve(t, worker.FunctionOptions{Handlers: map[string]worker.Handler{
		"score": func(ctx context.Context, m *worker.Message) error {
			if m.Topic != "orders" || m.Offset != 7 || worker.Attempt(ctx) != 2 || worker.TraceParent(ctx) != "00-aa-bb-01" {
				return errors.New("not the message that was sent")
			}
			return worker.Send(ctx, worker.Record{Topic: "scores"})
		},
		"refuse": func(context.Context, *worker.Message) error { return &worker.Drop{Reason: "test data"} },
		"panic":  func(context.Context, *worker.Message) error { panic("boom") },
	}})
	for name, want := range map[string]workerpb.Status{
		"score":  workerpb.Status_STATUS_COMPLETED,
		"refuse": workerpb.Status_STATUS_DROP,
		"panic":  workerpb.Status_STATUS_FAILED,
	} {
		answer, err := client.Call(context.Background(), callOf(name))
		if err != nil || answer.GetSettlement().GetStatus() != want {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
		if outputs := len(answer.GetSettlement().GetOutputs()); (name == "score") != (outputs == 1) {
			t.Errorf("%s: %d outputs", name, outputs)
		}
	}
	if _, err := client.Call(context.Background(), callOf("other")); status.Code(err) != codes.NotFound {
		t.Errorf("unknown handler: %v", err)
	}
}

func TestACallsDeadlineIsTheHandlers(t *testing.T) {
	ended := make(chan error, 1)
	called := make(chan struct{})
	client := serve(t, worker.FunctionOptions{Handlers: map[string]worker.Handler{
		"wait": func(ctx context.Context, _ *worker.Message) error {
			<-ctx.Done()
			ended <- ctx.Err()
			// Both clocks end at about the same time, and an answer might come first.
			<-called
			return ctx.Err()
		},
	}})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := client.Call(ctx, callOf("wait")); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	close(called)
	next(t, "the handler's end", ended)
}

func TestAFunctionWantsItsToken(t *testing.T) {
	options := worker.FunctionOptions{Handlers: map[string]worker.Handler{"score": ok}, Token: "secret"}
	client := serve(t, options)
	for token, want := range map[string]codes.Code{"Bearer secret": codes.OK, "Bearer wrong": codes.Unauthenticated, "": codes.Unauthenticated} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", token)
		if _, err := client.Call(ctx, callOf("score")); status.Code(err) != want {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func TestPlaintextIsNotServedToOtherMachines(t *testing.T) {
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	options := worker.FunctionOptions{Handlers: map[string]worker.Handler{"score": ok}}
	var wrong *worker.OptionError
	if err := worker.ServeFunction(context.Background(), listener, options); !errors.As(err, &wrong) || wrong.Option != "TLS" {
		t.Errorf("got %v", err)
	}
}
