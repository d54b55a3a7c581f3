// The worker of the engines benchmark in Go: it does what handler.ts does, on as many cores as there are.
//
// It is built by absence.ts as a program of the module in workers/go.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	worker "github.com/laneway-dev/laneway/workers/go"
)

const (
	spin = 200 * time.Microsecond
	wait = 10 * time.Millisecond
)

type order struct {
	Work string `json:"work"`
	Log  string `json:"log"`
}

func note(file *os.File, m *worker.Message) error {
	due, err := strconv.ParseInt(string(m.Value[:min(len(m.Value), 16)]), 10, 64)
	if err != nil {
		due = 0 // The topic of a drain: nothing was due.
	}
	late := time.Now().UnixMicro() - due
	_, err = fmt.Fprintf(file, "%d %d %s %d\n", m.Partition, m.Offset, m.Key, late)
	return err
}

func handlerOf(o order, file *os.File) worker.Handler {
	return func(_ context.Context, m *worker.Message) error {
		if file != nil {
			if err := note(file, m); err != nil {
				return err
			}
		}
		switch o.Work {
		case "wait":
			time.Sleep(wait)
		case "spin":
			for until := time.Now().Add(spin); time.Now().Before(until); {
			}
		}
		return nil
	}
}

func main() {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv("LANEWAY_BENCH_HANDLER")), &o); err != nil {
		log.Fatal(err)
	}
	var file *os.File
	if o.Log != "" {
		var err error
		if file, err = os.OpenFile(o.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			log.Fatal(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	options := worker.Options{Handlers: map[string]worker.Handler{"default": handlerOf(o, file)}, Concurrency: 256}
	if err := worker.New(options).Run(ctx); err != nil {
		log.Fatal(err)
	}
}
