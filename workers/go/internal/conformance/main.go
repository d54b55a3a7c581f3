// The worker of the conformance script (test/worker-conformance), the engine contract and the chaos runs: its handler
// `obey` does what the message's value says, and writes down what it does in the file that LANEWAY_LEDGER names.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	worker "github.com/laneway-dev/laneway/workers/go"
)

func main() {
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func work() error {
	ledger, err := openLedger(os.Getenv("LANEWAY_LEDGER"))
	if err != nil {
		return err
	}
	defer ledger.close()
	concurrency, err := numberFrom("LANEWAY_WORKER_CONCURRENCY")
	if err != nil {
		return err
	}
	credits, err := numberFrom("LANEWAY_WORKER_CREDITS")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	handlers := map[string]worker.Handler{"obey": obedient{ledger}.handle}
	if address := os.Getenv("LANEWAY_FUNCTION_ADDRESS"); address != "" {
		return serve(ctx, address, handlers)
	}
	return worker.New(worker.Options{
		Handlers:    handlers,
		Concurrency: concurrency,
		Credits:     credits,
		Logger:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}).Run(ctx)
}

// serve serves functions at the address of a Unix socket.
func serve(ctx context.Context, address string, handlers map[string]worker.Handler) error {
	listener, err := net.Listen("unix", strings.TrimPrefix(address, "unix:"))
	if err != nil {
		return err
	}
	return worker.ServeFunction(ctx, listener, worker.FunctionOptions{Handlers: handlers, Token: os.Getenv("LANEWAY_WORKER_TOKEN")})
}

// numberFrom is 0 where the environment does not say.
func numberFrom(variable string) (int, error) {
	text := os.Getenv(variable)
	if text == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", variable, err)
	}
	return number, nil
}
