// The recommender as a worker in Go: what worker.py is in Python, with the same answers.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	worker "github.com/laneway-dev/laneway/workers/go"
)

type event struct {
	User   string   `json:"user"`
	Recent []string `json:"recent"`
}

type answer struct {
	User            string           `json:"user"`
	Recommendations []recommendation `json:"recommendations"`
	Worker          int              `json:"worker"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	model, err := loadModel(os.Getenv("RECOMMENDER_MODEL"))
	if err != nil {
		log.Fatal(err)
	}
	output := os.Getenv("RECOMMENDER_OUTPUT")
	recommend := func(ctx context.Context, m *worker.Message) error {
		var e event
		if err := json.Unmarshal(m.Value, &e); err != nil {
			return &worker.DeadLetter{Reason: fmt.Sprintf("no event: %v", err)}
		}
		value, err := json.Marshal(answer{e.User, model.recommend(e.Recent), os.Getpid()})
		if err != nil {
			return err
		}
		return worker.Send(ctx, worker.Record{Topic: output, Key: m.Key, Value: value})
	}
	handlers := map[string]worker.Handler{"recommend": recommend}
	if err := worker.New(worker.Options{Handlers: handlers}).Run(ctx); err != nil {
		log.Fatal(err)
	}
}
