// The ingest thread: drains librdkafka's partition queues into the dispatcher.
//
// Each assigned partition has a queue of its own, cut off from the consumer queue, so that a partition whose share of
// the buffers is full is simply not drained (never paused: that would throw fetched messages away). Messages are
// copied and destroyed on this thread; what the dispatcher has no room for waits here as it came from librdkafka, at
// most one batch per partition.
//
// The loop looks only at partitions that are due: their queue has messages, or they were refused and have room again.
// So a turn costs what it drains, however many partitions are assigned.
//
// Threads: start, stop, add and remove belong to the poll thread; the loop has its own thread. Queue callbacks come
// from librdkafka's threads and the space listener from any thread that settles: both only make a partition due. Lock
// order: the dispatcher's mutex or a queue's (librdkafka's), then mutex_.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/dispatcher.h"
#include "kafka/errors.h"

namespace laneway {

class Ingest {
 public:
  // Called on the ingest thread; must not block.
  using ErrorListener = std::function<void(const KafkaFailure&)>;

  Ingest(Dispatcher& dispatcher, std::function<int64_t()> now_ms, ErrorListener on_error);
  ~Ingest();
  Ingest(const Ingest&) = delete;
  Ingest& operator=(const Ingest&) = delete;

  void start();
  // Joins the thread and gives everything back to librdkafka. Idempotent.
  void stop();
  // Takes over the queue reference.
  void add(PartitionId partition, uint64_t epoch, rd_kafka_queue_t* queue);
  void remove(PartitionId partition);
  // Looks again at timers.
  void wake();
  // Messages handed over without their headers because those did not decode. Any thread.
  uint64_t malformed_headers() const { return malformed_headers_; }

 private:
  struct Source;

  void run();
  bool drain(Source& source);
  void accept(Source& source);
  bool fetch(Source& source, size_t most);
  void handle_error(Source& source, const rd_kafka_message_t& message);
  void warn_of_headers(Source& source, const rd_kafka_message_t& message);
  void make_due(PartitionId partition);
  bool wait_for_turn(int64_t next_timer_ms, std::vector<std::shared_ptr<Source>>& turn);

  Dispatcher& dispatcher_;
  std::function<int64_t()> now_ms_;
  ErrorListener on_error_;
  Intake intake_;
  std::vector<std::byte> headers_;
  std::atomic<uint64_t> malformed_headers_ = 0;

  std::mutex mutex_;
  std::unordered_map<PartitionId, std::shared_ptr<Source>> sources_;
  std::vector<std::shared_ptr<Source>> due_;
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace laneway
