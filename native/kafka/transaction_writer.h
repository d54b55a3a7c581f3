// Exactly once: one transaction carries what handlers produced, and the offsets and gap maps of just the messages that
// they produced it for.
//
// Outputs come out of the dispatcher together with the snapshot that settles their messages, and stay here until their
// transaction is committed: an aborted one sends them again in the next, and no handler runs again. Where the metadata
// has no room for the whole gap map, the outputs of what it does not cover wait for a later transaction: after a
// restart their messages would run again. Outputs of an assignment that ended are forgotten, because their messages'
// offsets are not committed and will be run by another. A transaction whose commit was not answered in time is asked
// about again before anything else is sent. Some answers end librdkafka's producer that are only about the transaction:
// where it was not asked to commit, another producer of the same id begins anew. An output that no repetition could
// deliver ends the writer: its handler has ended.
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
#include <unordered_map>
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
    kFailed,      // fenced, without rights, or with an output that cannot be delivered: the consumer cannot go on
  };

  // A partition whose offset and gap map are in a transaction: they say that all its settled messages below `covered`
  // are.
  struct Covered {
    PartitionId partition;
    uint64_t epoch;
    Offset covered;
  };

  // Checks the properties, which are a producer's, transactional.id among them.
  static std::variant<std::unique_ptr<TransactionWriter>, KafkaFailure> create(const Properties& properties);
  TransactionWriter(const TransactionWriter&) = delete;
  TransactionWriter& operator=(const TransactionWriter&) = delete;

  // Ends what an earlier producer of this id left open; to be called until it is kCommitted, before anything is read.
  Result prepare(int timeout_ms);

  // Keeps these outputs for the next transaction.
  void add(CommitSnapshot& snapshot);
  // A partition is assigned whose committed gap map ends here; earlier owners have sent outputs of what it covers.
  void assigned(PartitionId partition, Offset end_of_map) { must_cover_[partition] = end_of_map; }
  // Nothing can be committed now: what is kept waits for room in a gap map.
  void set_aside();
  // Forgets the outputs of a partition that is no longer assigned.
  void forget(PartitionId partition);
  // The least that an offset and gap map to be committed must cover: up to here outputs were committed. The same prefix
  // can need more room than before, when more of it is settled; then the last commit stands until the map fits again.
  Offset must_cover(PartitionId partition) const;
  bool unanswered() const { return state_ != State::kIdle && state_ != State::kFailed; }
  // One transaction with these offsets and all outputs that they cover, on behalf of the consumer's group membership.
  // While unanswered() the arguments are ignored: it is the last transaction that is finished.
  Result commit(rd_kafka_t* consumer, const rd_kafka_topic_partition_list_t* offsets,
                const std::vector<Covered>& covered, int timeout_ms);
  // Bytes of the outputs that are no longer kept, or that wait for room in a gap map, since the last call. The latter
  // must not keep messages from being taken, because only those make room; their partition starts nothing above them.
  size_t take_released_bytes() { return std::exchange(released_bytes_, 0); }
  // Why the last call was not kCommitted.
  const KafkaFailure& failure() const { return failure_; }

 private:
  enum class State { kIdle, kCommitting, kAborting, kReopening, kFailed };

  struct Kept {
    PartitionId partition;
    uint64_t epoch;
    Offset offset;
    std::unique_ptr<Output> output;
    bool is_sent = false;       // by the transaction that is open
    bool is_forgotten = false;  // while the transaction that has sent it is not decided
    bool is_uncounted = false;  // its bytes were released already
  };

  explicit TransactionWriter(Properties properties) : properties_(std::move(properties)) {}
  std::optional<KafkaFailure> open();
  static void on_delivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque);
  Result begin(rd_kafka_t* consumer, const rd_kafka_topic_partition_list_t* offsets,
               const std::vector<Covered>& covered, int64_t until_ms);
  std::optional<Result> send_outputs(const std::vector<Covered>& covered, int64_t until_ms);
  std::optional<Result> send(const OutgoingRecord& record, int64_t until_ms);
  Result finish(int64_t until_ms);
  // Calls until it succeeds, cannot, or the time is over; nullptr: it succeeded.
  ErrorHandle persist(const std::function<rd_kafka_error_t*(int timeout_ms)>& call, int64_t until_ms);
  Result give_up(const ErrorHandle& error, int64_t until_ms);
  Result abort(int64_t until_ms);
  Result reopen(int64_t until_ms);
  Result finish_reopening(int64_t until_ms);
  Result aborted();
  Result fail(const ErrorHandle& error, const char* what);
  void note(rd_kafka_resp_err_t error, const std::string& text);
  // Frees what is forgotten, and what was sent where that is committed.
  void release(bool is_committed);
  void uncount(Kept& kept);

  const Properties properties_;
  ClientHandle client_;
  State state_ = State::kIdle;
  std::deque<Kept> outputs_;
  std::unordered_map<PartitionId, Offset> must_cover_;
  size_t released_bytes_ = 0;
  KafkaFailure failure_;
  std::optional<KafkaFailure> undeliverable_;  // the first output of the open transaction that was refused for good
};

}  // namespace laneway
