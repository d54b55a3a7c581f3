// What the SDK itself costs: a host in the same process gives messages as fast as credits come back.

package worker_test

import (
	"testing"

	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
)

const (
	benchCredits = 2_000
	benchRun     = 10
)

// BenchmarkMessages: 100 bytes each, in runs of ten, to a handler that does nothing.
func BenchmarkMessages(b *testing.B) {
	h := newHost(b)
	options := obeying(ok)
	options.Credits = benchCredits
	h.start(options)
	s := h.connected()
	message := &workerpb.Message{TimestampMs: -1, Key: []byte("a key"), Value: make([]byte, 100)}
	deadline := nowMs() + 3_600_000
	b.ResetTimer()
	given, settled := 0, 0
	for settled < b.N {
		var runs []*workerpb.Run
		for given < b.N && given-settled+benchRun <= benchCredits {
			run := &workerpb.Run{Topic: "orders"}
			for range benchRun {
				given++
				lease := &workerpb.Lease{Id: uint64(given), Message: message, Attempt: 1, DeadlineMs: deadline}
				run.Leases = append(run.Leases, lease)
			}
			runs = append(runs, run)
		}
		if len(runs) > 0 {
			s.giveRuns("obey", runs...)
		}
		s.settlement()
		for settled++; len(s.settled) > 0 && settled < b.N; settled++ {
			s.settlement()
		}
	}
	b.ReportMetric(float64(settled)/b.Elapsed().Seconds(), "messages/s")
}
