// A producer that counts: records go in, acknowledgements and failures are counted on its own thread.
//
// Threads: every function may be called from any thread, close() too while others send and flush: they then fail with
// PRODUCER_CLOSED. The delivery callback runs on the poll thread, in flush() and in close(). Lock order: close_mutex_,
// client_mutex_, failure_mutex_.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "kafka/errors.h"
#include "kafka/handles.h"
#include "kafka/outgoing.h"
#include "kafka/properties.h"

namespace laneway {

class Producer {
 public:
  static std::variant<std::unique_ptr<Producer>, KafkaFailure> create(const Properties& properties);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // QUEUE_FULL is retriable: some must be delivered first.
  std::optional<KafkaFailure> send(const OutgoingRecord& record);
  // Blocks until everything sent before is acknowledged; fails on a timeout, on close(), and when a record has failed
  // since the last flush (with that record's failure, which holds nothing of the record itself but its topic).
  std::optional<KafkaFailure> flush(int64_t timeout_ms);
  // Purges what is not acknowledged yet. Idempotent: a second call waits for the first.
  void close();

  uint64_t delivered() const { return delivered_; }
  uint64_t failed() const { return failed_; }
  uint64_t queued() const;

 private:
  Producer() = default;
  static void on_delivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque);
  void poll_loop();

  // Held shared by whoever uses client_, alone by close() where it ends; the poll thread needs none, it is joined
  // first.
  std::shared_mutex client_mutex_;
  ClientHandle client_;
  std::thread poll_thread_;
  std::mutex close_mutex_;
  std::atomic<bool> closing_ = false;
  std::atomic<uint64_t> sent_ = 0;
  std::atomic<uint64_t> delivered_ = 0;
  std::atomic<uint64_t> failed_ = 0;
  std::mutex failure_mutex_;
  std::optional<KafkaFailure> first_failure_;
};

}  // namespace laneway
