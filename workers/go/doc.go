// Package worker runs handlers for a laneway host, which consumes Kafka: it dials the host, gets messages, and answers for
// each. Messages of one key come one after the other, also when there are many workers.
//
//	handlers := map[string]worker.Handler{
//		"score": func(ctx context.Context, m *worker.Message) error {
//			return score(ctx, m.Key, m.Value)
//		},
//	}
//	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
//	defer stop()
//	err := worker.New(worker.Options{Address: "unix:/run/laneway.sock", Handlers: handlers}).Run(ctx)
//
// A handler that returns nil completes its message. An error is a failed attempt, and the host's retry policy decides,
// unless the error is a [Retry], [Drop], [DeadLetter] or [Fatal]. A panic is a failed attempt, too.
//
// A handler's context ends at the lease's deadline, when the host cancels the message, and when the host is lost: from
// then on another worker may get the message, so a handler has to end soon. [context.Cause] tells why.
package worker
