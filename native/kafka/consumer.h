// A group member that feeds a dispatcher: subscription, rebalances, recovery of gap maps, commits.
//
// Threads:
// - The poll thread serves librdkafka's consumer queue, always, so that the member stays in its group whatever the
//   engines do. It runs the rebalance callback (which may wait for leases, up to the rebalance timeout) and the
//   commits.
// - The ingest thread (ingest.h) drains the partition queues.
// - Engine threads call the dispatcher through take and settle here.
// - The dead-letter writer has a thread of its own (dead_letter_writer.h); transactions run on the poll thread.
// close() runs on any other thread, joins both, and then serves the last rebalance itself.
//
// Lock order: state_mutex_ is innermost but for librdkafka's own locks; it is never held while the dispatcher, the
// listener or librdkafka is called.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "core/dispatcher.h"
#include "kafka/dead_letter_writer.h"
#include "kafka/errors.h"
#include "kafka/ingest.h"
#include "kafka/metadata_writer.h"
#include "kafka/transaction_writer.h"

namespace laneway {

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;
  bool operator==(const TopicPartition&) const = default;
  bool operator<(const TopicPartition& other) const {
    return std::tie(topic, partition) < std::tie(other.topic, other.partition);
  }
};

struct ConsumerOptions {
  std::map<std::string, std::string> properties;
  std::vector<std::string> topics;
  DispatcherOptions dispatcher;
  int64_t commit_interval_ms = 1'000;
  int64_t rebalance_timeout_ms = 30'000;
  MetadataFormat metadata_format = MetadataFormat::kLaneway;
  Carrier metadata_carrier = Carrier::kBase32768;
  size_t metadata_max_units = 4'096;
  // A subscribed topic that does not exist is waited for; otherwise it is a fatal failure.
  bool wait_for_topics = false;
  // Properties of the producer of dead letters; none: there are no dead letters.
  std::optional<Properties> dead_letters;
  // Properties of the transactional producer, transactional.id among them; none: not exactly once.
  std::optional<Properties> transactions;
};

struct AssignedPartition {
  TopicPartition at;
  uint64_t epoch = 0;
  Offset committed = -1;  // -1: none
  SeenFormat format = SeenFormat::kNone;
  int64_t settled_above = 0;
};

struct AssignedEvent {
  std::vector<AssignedPartition> partitions;
};
struct RevokedEvent {
  std::vector<TopicPartition> partitions;
  bool lost = false;
};
struct CommittedEvent {
  std::vector<std::pair<TopicPartition, Offset>> partitions;
};
// failure.fatal: the consumer cannot go on; told once. Otherwise a warning.
struct FailureEvent {
  KafkaFailure failure;
};
struct LogEvent {
  int level;
  std::string facility;
  std::string message;
};
// librdkafka's own, where statistics.interval.ms is set: see its STATISTICS.md.
struct StatisticsEvent {
  std::string json;
};
using ConsumerEvent =
    std::variant<AssignedEvent, RevokedEvent, CommittedEvent, FailureEvent, LogEvent, StatisticsEvent>;

struct ConsumerPartitionStats {
  TopicPartition at;
  PartitionStats dispatcher;
  Offset committed = -1;
  Offset log_end = -1;
  int64_t commit_age_ms = -1;  // since the broker acknowledged the last commit; -1: none yet
  std::string commit_error;    // of the last commit; empty: it went well
};

struct ConsumerStats {
  DispatcherStats dispatcher;
  std::vector<ConsumerPartitionStats> partitions;
  uint64_t commits = 0;
  uint64_t commit_failures = 0;
  uint64_t metadata_fallbacks = 0;
  uint64_t malformed_headers = 0;
  uint64_t transactions = 0;
  uint64_t aborted_transactions = 0;
  int64_t poll_age_ms = -1;  // since the poll thread last served librdkafka; -1: not started
  DeadLetterStats dead_letters;
};

class Consumer {
 public:
  // Called on native threads, one at a time per thread; must not block or call back into the consumer.
  using Listener = std::function<void(const ConsumerEvent&)>;

  // Checks the properties; connects to nothing yet.
  static std::variant<std::unique_ptr<Consumer>, KafkaFailure> create(const ConsumerOptions& options,
                                                                      Listener listener);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Subscribes and starts the threads.
  std::optional<KafkaFailure> start();

  // Engine threads; see Dispatcher.
  bool attach(Taker& taker, std::function<void()> doorbell, uint64_t ward = 0) {
    return dispatcher_.attach(taker, std::move(doorbell), ward);
  }
  void detach(Taker& taker);
  void leave(Taker& taker);
  void abandon(uint64_t ward);
  bool read(Taker& reader, uint64_t lease, uint32_t slot) { return dispatcher_.read(reader, lease, slot); }
  size_t take(Taker& taker, size_t max_messages, size_t max_bytes, size_t max_run = std::numeric_limits<size_t>::max(),
              bool sequential = false) {
    return dispatcher_.take(taker, max_messages, max_bytes, max_run, sequential);
  }
  void end_copy() { dispatcher_.end_copy(); }
  void settle(std::span<const Settlement> settlements);
  // The message failed for good: it is settled when its letter is acknowledged. False: the lease is gone.
  bool dead_letter(DeadLetter letter);
  // What a handler produced for a leased message; only where there are transactions. False: the lease is gone.
  bool output(uint64_t lease, uint32_t slot, const OutgoingRecord& record);
  bool has_dead_letters() const { return dead_letters_ != nullptr || transactions_ != nullptr; }

  void stop_taking() { dispatcher_.stop_taking(); }
  // Blocks until nothing is leased (true) or the deadline passed (false).
  bool wait_drained(int64_t deadline_ms);
  // Fences leases, commits, leaves the group, joins the threads. Idempotent; bounded but for librdkafka's own close.
  void close();

  TopicPartition at(PartitionId partition) const;
  ConsumerStats stats() const;
  Standing standing(size_t most_oldest) const { return dispatcher_.standing(now_ms(), most_oldest); }
  // The dispatcher's time 0 in ms since 1970.
  int64_t epoch_ms() const;

 private:
  Consumer(const ConsumerOptions& options, Listener listener);

  static void on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions,
                           void* opaque);
  static void on_log(const rd_kafka_t* client, int level, const char* facility, const char* message);
  static void on_error(rd_kafka_t* client, int error, const char* reason, void* opaque);
  static int on_statistics(rd_kafka_t* client, char* json, size_t size, void* opaque);

  struct CommitState {
    Offset committed = -1;
    int64_t at_ms = -1;
    std::string error = {};
  };

  // Offsets and gap maps as Kafka takes them, and what they cover.
  struct Offsets {
    PartitionList list;
    std::vector<TransactionWriter::Covered> covered;
  };

  std::optional<KafkaFailure> open_writers();
  bool prepare_transactions();
  void poll_loop();
  void handle_message_error(const rd_kafka_message_t& message);
  void fail(const KafkaFailure& failure);

  void assign(rd_kafka_topic_partition_list_t* partitions);
  void recover(rd_kafka_topic_partition_list_t* partitions);
  rd_kafka_resp_err_t read_committed(rd_kafka_topic_partition_list_t* partitions);
  AssignedPartition recover_one(rd_kafka_topic_partition_t& committed);
  void revoke(rd_kafka_topic_partition_list_t* partitions);
  void unassign(rd_kafka_topic_partition_list_t* partitions);
  void wait_for_leases(const std::vector<PartitionId>& partitions);
  bool incremental() const;
  // Takes over the error; nullptr: none.
  void report(rd_kafka_error_t* error);

  void commit_changed();
  void commit_now(const std::vector<PartitionId>& partitions);
  void send_commit(const std::vector<CommitSnapshot>& snapshots);
  Offsets to_offsets(const std::vector<CommitSnapshot>& snapshots);
  bool commit_in_transaction(int64_t timeout_ms);
  void commit_in_transactions(int64_t until_ms);
  bool transaction_ended(TransactionWriter::Result result);
  void transaction_aborted(const KafkaFailure& failure);
  void forget_outputs(PartitionId partition);
  void serve_commit_replies(int timeout_ms);
  void handle_commit_reply(const rd_kafka_topic_partition_list_t& list, rd_kafka_resp_err_t error);

  PartitionId intern(const std::string& topic, int32_t partition);
  int64_t now_ms() const;

  const ConsumerOptions options_;
  const Listener listener_;
  Dispatcher dispatcher_;
  MetadataWriter metadata_;  // poll thread
  std::unique_ptr<Ingest> ingest_;
  std::unique_ptr<DeadLetterWriter> dead_letters_;
  std::unique_ptr<TransactionWriter> transactions_;  // poll thread
  rd_kafka_t* client_ = nullptr;
  rd_kafka_queue_t* commit_replies_ = nullptr;

  std::thread poll_thread_;
  std::atomic<bool> closing_ = false;
  std::atomic<bool> failed_ = false;

  // Poll thread (and close(), after it has joined it).
  int replies_due_ = 0;
  std::vector<PartitionId> too_large_;  // refused for their metadata's size
  int64_t next_commit_ms_ = 0;
  Offsets open_;  // of the transaction that was begun last
  std::atomic<int64_t> polled_at_ms_ = -1;

  mutable std::mutex state_mutex_;
  std::condition_variable settled_;  // wakes who waits for leases
  std::map<TopicPartition, PartitionId> ids_;
  std::vector<TopicPartition> names_;
  std::unordered_map<PartitionId, CommitState> committed_;
  std::atomic<bool> anyone_waits_ = false;
  std::atomic<uint64_t> commits_ = 0;
  std::atomic<uint64_t> commit_failures_ = 0;
  std::atomic<uint64_t> metadata_fallbacks_ = 0;
  std::atomic<uint64_t> transactions_committed_ = 0;
  std::atomic<uint64_t> transactions_aborted_ = 0;

  std::mutex close_mutex_;
  mutable std::mutex client_mutex_;  // client_ may be used by stats() until close() destroys it
  bool closed_ = false;
  bool started_ = false;
};

}  // namespace laneway
