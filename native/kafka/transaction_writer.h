// Exactly once: one transaction carries what handlers produced, and the offsets and gap maps of just the messages that
// they produced it for.
//
// Outputs come out of the dispatcher together with the snapshot that settles their messages, and stay here until their
// transaction is committed: an aborted one sends them again in the next, and no handler runs again. Outputs of an
// assignment that ended are forgotten, because their messages' offsets are not committed and will be run by another.
// A transaction whose commit was not answered in time is asked about again before anything else is sent.
//
// Threads: everything belongs to the consumer's poll thread.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "core/dispatcher.h"
#include "kafka/errors.h"
#include "kafka/handles.h"
#include "kafka/outgoing.h"
#include "kafka/properties.h"

namespace laneway {

// An output with bytes of its own.
class KafkaOutput final : public Output {
 public:
  explicit KafkaOutput(const OutgoingRecord& record);
  size_t size() const override;
  const OutgoingRecord& record() const { return record_; }

 private:
  OutgoingRecord record_;  // its spans are of the two below
  std::vector<std::byte> key_;
  std::vector<std::byte> value_;
};

class TransactionWriter {
 public:
  enum class Result {
    kCommitted,
    kAborted,     // nothing of it is visible; the same again later
    kUnanswered,  // the next call asks again
    kFailed,      // the producer is fenced or has no rights: failure() says why, and the consumer cannot go on
  };

  // Checks the properties, which are a producer's, transactional.id among them.
  static std::variant<std::unique_ptr<TransactionWriter>, KafkaFailure> create(const Properties& properties);
  TransactionWriter(const TransactionWriter&) = delete;
  TransactionWriter& operator=(const TransactionWriter&) = delete;

  // Ends what an earlier producer of this id left open; to be called until it is kCommitted, before anything is read.
  Result prepare(int timeout_ms);

  // Keeps these outputs for the next transaction.
  void add(PartitionId partition, uint64_t epoch, std::vector<std::unique_ptr<Output>> outputs);
  // Forgets the outputs of a partition that is no longer assigned.
  void forget(PartitionId partition);
  bool unanswered() const { return state_ != State::kIdle; }
  // One transaction with all outputs that were added and these offsets, on behalf of the consumer's group membership.
  // While unanswered() the offsets are ignored: it is the last transaction that is finished.
  Result commit(rd_kafka_t* consumer, const rd_kafka_topic_partition_list_t* offsets, int timeout_ms);
  // Bytes of the outputs that are no longer kept, since the last call.
  size_t take_released_bytes() { return std::exchange(released_bytes_, 0); }
  const KafkaFailure& failure() const { return failure_; }

  uint64_t committed() const { return committed_; }
  uint64_t aborted() const { return aborted_; }

 private:
  enum class State { kIdle, kCommitting, kAborting };

  struct Kept {
    PartitionId partition;
    uint64_t epoch;
    std::unique_ptr<Output> output;
    bool is_forgotten = false;  // while the transaction that has sent it is not decided
  };

  explicit TransactionWriter(ClientHandle client) : client_(std::move(client)) {}
  Result begin(rd_kafka_t* consumer, const rd_kafka_topic_partition_list_t* offsets, int64_t until_ms);
  std::optional<Result> send_outputs(int64_t until_ms);
  Result finish(int64_t until_ms);
  // Calls until it succeeds, cannot, or the time is over; nullptr: it succeeded.
  ErrorHandle persist(const std::function<rd_kafka_error_t*(int timeout_ms)>& call, int64_t until_ms);
  Result give_up(const ErrorHandle& error);
  Result abort();
  void release(size_t count);

  ClientHandle client_;
  State state_ = State::kIdle;
  std::deque<Kept> outputs_;
  size_t sent_ = 0;  // of outputs_, by the transaction that is open
  size_t released_bytes_ = 0;
  uint64_t committed_ = 0;
  uint64_t aborted_ = 0;
  KafkaFailure failure_;
};

}  // namespace laneway
