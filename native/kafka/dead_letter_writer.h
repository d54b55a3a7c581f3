// Delivers dead letters, and settles their messages when the broker has them, never before (P8).
//
// A letter's message is withheld in the dispatcher, which keeps its bytes and its lane closed; here is only what is
// said about it. Whatever goes wrong is tried again with a growing delay for as long as the message is assigned: the
// budgets of the dispatcher bound how much can wait. The only thing that is given up is a payload that the broker
// refuses for its size: then the letter goes without it, and says so.
//
// Threads: write() from any; the producer, its callbacks and the settlements belong to the writer's own thread. Lock
// order: mutex_ is innermost.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "core/dispatcher.h"
#include "kafka/errors.h"
#include "kafka/handles.h"
#include "kafka/outgoing.h"
#include "kafka/properties.h"

namespace laneway {

struct DeadLetter {
  uint64_t lease;
  uint32_t slot;
  std::string topic;
  bool with_payload = true;             // false: key, headers and timestamp only
  std::vector<OutgoingHeader> headers;  // after the message's own
};

// The letter of this message; it reads the message's bytes, and does not own them.
OutgoingRecord to_record(const DeadLetter& letter, const MessageView& message);

struct DeadLetterStats {
  size_t pending = 0;  // written and not acknowledged
  uint64_t delivered = 0;
  uint64_t failures = 0;          // sends that failed, and were or will be tried again
  int64_t failing_since_ms = -1;  // -1: the last send went well
  std::string last_failure;
};

class DeadLetterWriter {
 public:
  struct Host {
    std::function<int64_t()> now_ms;
    std::function<void()> on_settled;
    // Warnings, not more than one in ten seconds.
    std::function<void(const KafkaFailure&)> on_failure;
  };

  // Checks the properties, which are a producer's.
  static std::variant<std::unique_ptr<DeadLetterWriter>, KafkaFailure> create(Dispatcher& dispatcher,
                                                                              const Properties& properties, Host host);
  ~DeadLetterWriter();
  DeadLetterWriter(const DeadLetterWriter&) = delete;
  DeadLetterWriter& operator=(const DeadLetterWriter&) = delete;

  // The message must be withheld.
  void write(DeadLetter letter);
  // What is not acknowledged by now stays unsettled. Idempotent.
  void stop();
  DeadLetterStats stats() const;

 private:
  struct Pending {
    DeadLetter letter;
    int64_t due_ms = 0;
    uint32_t failures = 0;
  };

  DeadLetterWriter(Dispatcher& dispatcher, Properties properties, Host host);
  static void on_delivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque);

  std::optional<KafkaFailure> open();
  void run();
  std::vector<std::unique_ptr<Pending>> due();
  void send(std::unique_ptr<Pending> pending);
  void delivered(const Pending& pending);
  void failed(std::unique_ptr<Pending> pending, rd_kafka_resp_err_t error);
  void retry(std::unique_ptr<Pending> pending, int64_t delay_ms);
  void warn(const Pending& pending, rd_kafka_resp_err_t error);

  Dispatcher& dispatcher_;
  const Properties properties_;
  const Host host_;
  ClientHandle client_;
  size_t in_flight_ = 0;  // the writer's thread alone
  int64_t next_warning_ms_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::vector<std::unique_ptr<Pending>> waiting_;
  DeadLetterStats stats_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace laneway
