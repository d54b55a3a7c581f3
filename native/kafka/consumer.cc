// See consumer.h for the threads.
#include "kafka/consumer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>

#include "kafka/handles.h"
#include "kafka/properties.h"

namespace laneway {

namespace {

constexpr int kPollMs = 50;
constexpr int kCommittedTimeoutMs = 10'000;
// The most that a revoke or a close waits for the broker to acknowledge its commit.
constexpr int64_t kCommitTimeoutMs = 10'000;
// A transaction that takes longer is left undecided for a while, so that the group is served.
constexpr int64_t kTransactionTimeoutMs = 5'000;
constexpr int kPrepareTimeoutMs = 1'000;
// While another member's transaction is open, its offsets are not answered; a close is not kept waiting longer.
constexpr int kStableOffsetsTimeoutMs = 2'000;

// What a broker's limit counts. All text that is written here lies in the basic plane: one unit per UTF-8 lead byte.
size_t utf16_units(const void* text, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(text);
  return static_cast<size_t>(std::count_if(bytes, bytes + size, [](unsigned char c) { return (c & 0xc0) != 0x80; }));
}

// What laneway owns is set here whatever the user said (the façade refuses it by name); what it prefers gives way.
std::map<std::string, std::string> with_defaults(std::map<std::string, std::string> properties) {
  properties["enable.auto.commit"] = "false";
  properties["enable.auto.offset.store"] = "false";
  // The end of a partition is how trailing holes are found.
  properties["enable.partition.eof"] = "true";
  // A new group starts at the beginning: nothing is passed over unless asked for.
  if (!properties.contains("topic.auto.offset.reset")) properties.emplace("auto.offset.reset", "earliest");
  // librdkafka waits this long when its queue is full; 1,000 ms by default, which starves a fast consumer.
  properties.emplace("fetch.queue.backoff.ms", "10");
  return properties;
}

DispatcherOptions seeded(DispatcherOptions options) {
  std::random_device random;
  options.seed = (uint64_t{random()} << 32) | random();
  return options;
}

// librdkafka says only that something was fatal, on the error callback or on the queue, whichever is served first.
KafkaFailure fatal_failure(rd_kafka_t* client) {
  char text[512];
  const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(client, text, sizeof text);
  KafkaFailure failure = classify(cause, ErrorContext::kConsumer, text);
  failure.fatal = true;
  return failure;
}

}  // namespace

std::variant<std::unique_ptr<Consumer>, KafkaFailure> Consumer::create(const ConsumerOptions& options,
                                                                       Listener listener) {
  auto conf = make_conf(with_defaults(options.properties));
  if (auto* failure = std::get_if<KafkaFailure>(&conf)) return std::move(*failure);
  for (const auto& properties : {options.dead_letters, options.transactions}) {
    if (!properties) continue;
    auto producer = make_conf(for_producer(*properties));
    if (auto* failure = std::get_if<KafkaFailure>(&producer)) return std::move(*failure);
  }
  return std::unique_ptr<Consumer>(new Consumer(options, std::move(listener)));
}

Consumer::Consumer(const ConsumerOptions& options, Listener listener)
    : options_(options),
      listener_(std::move(listener)),
      dispatcher_(seeded(options.dispatcher)),
      metadata_(options.metadata_format, options.metadata_carrier, options.metadata_max_units) {}

Consumer::~Consumer() { close(); }

std::optional<KafkaFailure> Consumer::start() {
  const std::lock_guard lock(close_mutex_);
  // First: close() takes a client for one that has everything else, too.
  if (auto failure = open_writers()) return failure;
  auto made = make_client(RD_KAFKA_CONSUMER, with_defaults(options_.properties), [this](rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_rebalance_cb(conf, &Consumer::on_rebalance);
    rd_kafka_conf_set_log_cb(conf, &Consumer::on_log);
    rd_kafka_conf_set_error_cb(conf, &Consumer::on_error);
    rd_kafka_conf_set_stats_cb(conf, &Consumer::on_statistics);
  });
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  client_ = std::get<ClientHandle>(made).release();
  rd_kafka_poll_set_consumer(client_);
  commit_replies_ = rd_kafka_queue_new(client_);
  ingest_ = std::make_unique<Ingest>(
      dispatcher_, [this] { return now_ms(); }, [this](const KafkaFailure& failure) { fail(failure); });

  const PartitionList topics(rd_kafka_topic_partition_list_new(static_cast<int>(options_.topics.size())));
  for (const std::string& topic : options_.topics) {
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(client_, topics.get());
  started_ = true;
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return classify(error, ErrorContext::kConsumer, rd_kafka_err2str(error));
  ingest_->start();
  next_commit_ms_ = now_ms() + options_.commit_interval_ms;
  poll_thread_ = std::thread([this] { poll_loop(); });
  return std::nullopt;
}

std::optional<KafkaFailure> Consumer::open_writers() {
  if (options_.transactions) {
    auto made = TransactionWriter::create(for_producer(*options_.transactions));
    if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
    transactions_ = std::move(std::get<std::unique_ptr<TransactionWriter>>(made));
  } else if (options_.dead_letters) {
    auto made = DeadLetterWriter::create(dispatcher_, for_producer(*options_.dead_letters),
                                         {.now_ms = [this] { return now_ms(); },
                                          .on_settled = [this] { settled_.notify_all(); },
                                          .on_failure = [this](const KafkaFailure& failure) { fail(failure); }});
    if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
    dead_letters_ = std::move(std::get<std::unique_ptr<DeadLetterWriter>>(made));
  }
  return std::nullopt;
}

// With transactions a dead letter is an output like any other, and its message is settled with it.
bool Consumer::dead_letter(DeadLetter letter) {
  if (!dispatcher_.withhold(letter.lease, letter.slot, now_ms())) return false;
  if (dead_letters_ != nullptr) {
    dead_letters_->write(std::move(letter));
    return true;
  }
  std::unique_ptr<Output> output;
  dispatcher_.read_withheld(letter.lease, letter.slot, [&](const MessageView& message) {
    output = std::make_unique<KafkaOutput>(to_record(letter, message));
  });
  if (output == nullptr || !dispatcher_.hold_output(letter.lease, letter.slot, std::move(output))) return false;
  dispatcher_.settle_withheld({letter.lease, letter.slot, 0, Outcome::kDeadLettered}, now_ms());
  settled_.notify_all();
  return true;
}

bool Consumer::output(uint64_t lease, uint32_t slot, const OutgoingRecord& record) {
  return dispatcher_.hold_output(lease, slot, std::make_unique<KafkaOutput>(record));
}

void Consumer::detach(Taker& taker) {
  dispatcher_.detach(taker, now_ms());
  settled_.notify_all();
}

void Consumer::leave(Taker& taker) {
  dispatcher_.leave(taker, now_ms());
  settled_.notify_all();
}

void Consumer::abandon(uint64_t ward) {
  dispatcher_.abandon(ward, now_ms());
  settled_.notify_all();
}

void Consumer::settle(std::span<const Settlement> settlements) {
  if (settlements.empty()) return;
  dispatcher_.settle(settlements, now_ms());
  if (anyone_waits_.load(std::memory_order_relaxed)) settled_.notify_all();
  // Lanes that wait for a time now: the ingest thread looks at timers.
  const bool waits = options_.dispatcher.linger_ms > 0 ||
                     std::any_of(settlements.begin(), settlements.end(),
                                 [](const auto& each) { return each.outcome == Outcome::kRetried; });
  if (waits && ingest_) ingest_->wake();
}

bool Consumer::wait_drained(int64_t deadline_ms) {
  const int64_t until = now_ms() + deadline_ms;
  anyone_waits_ = true;
  while (dispatcher_.in_flight() != 0) {
    const int64_t left = until - now_ms();
    if (left <= 0) return false;
    std::unique_lock lock(state_mutex_);
    settled_.wait_for(lock, std::chrono::milliseconds(std::min<int64_t>(left, 5)));
  }
  return true;
}

void Consumer::close() {
  const std::lock_guard lock(close_mutex_);
  if (closed_) return;
  closed_ = true;
  dispatcher_.stop_taking();
  closing_ = true;
  if (poll_thread_.joinable()) poll_thread_.join();
  if (ingest_) ingest_->stop();
  if (dead_letters_) dead_letters_->stop();
  if (client_ == nullptr) return;
  // Revokes through on_rebalance, on this thread; that commits.
  if (started_) rd_kafka_consumer_close(client_);
  serve_commit_replies(0);
  // Left open, it would keep who consumes next waiting until the broker gives it up.
  if (transactions_ != nullptr && transactions_->unanswered()) commit_in_transaction(kCommitTimeoutMs);
  transactions_.reset();
  rd_kafka_queue_destroy(commit_replies_);
  const std::lock_guard client_lock(client_mutex_);
  rd_kafka_destroy(client_);
  client_ = nullptr;
}

TopicPartition Consumer::at(PartitionId partition) const {
  const std::lock_guard lock(state_mutex_);
  return partition < names_.size() ? names_[partition] : TopicPartition{};
}

ConsumerStats Consumer::stats() const {
  ConsumerStats stats;
  stats.dispatcher = dispatcher_.stats();
  stats.commits = commits_;
  stats.commit_failures = commit_failures_;
  stats.metadata_fallbacks = metadata_fallbacks_;
  if (ingest_) stats.malformed_headers = ingest_->malformed_headers();
  stats.transactions = transactions_committed_;
  stats.aborted_transactions = transactions_aborted_;
  const int64_t polled_at_ms = polled_at_ms_;
  const int64_t now = now_ms();
  if (polled_at_ms >= 0) stats.poll_age_ms = now - polled_at_ms;
  if (dead_letters_) stats.dead_letters = dead_letters_->stats();
  if (stats.dead_letters.failing_since_ms >= 0) {
    stats.dead_letters.failing_since_ms = now - stats.dead_letters.failing_since_ms;
  }
  const std::lock_guard client_lock(client_mutex_);
  for (const PartitionStats& partition : stats.dispatcher.partitions) {
    ConsumerPartitionStats each{.at = at(partition.partition), .dispatcher = partition};
    {
      const std::lock_guard lock(state_mutex_);
      const auto committed = committed_.find(partition.partition);
      if (committed != committed_.end()) {
        each.committed = committed->second.committed;
        each.commit_error = committed->second.error;
        if (committed->second.at_ms >= 0) each.commit_age_ms = now - committed->second.at_ms;
      }
    }
    int64_t low = -1;
    int64_t high = -1;
    if (client_ != nullptr && rd_kafka_get_watermark_offsets(client_, each.at.topic.c_str(), each.at.partition, &low,
                                                             &high) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      each.log_end = std::max<int64_t>(high, -1);
    }
    stats.partitions.push_back(std::move(each));
  }
  return stats;
}

// --- Poll thread -----------------------------------------------------------------------------------------------------

// What an earlier member with this transactional.id left open is decided before any offset is read.
bool Consumer::prepare_transactions() {
  while (!closing_) {
    const TransactionWriter::Result result = transactions_->prepare(kPrepareTimeoutMs);
    if (result == TransactionWriter::Result::kCommitted) return true;
    fail(transactions_->failure());
    if (result == TransactionWriter::Result::kFailed) return false;
  }
  return false;
}

void Consumer::poll_loop() {
  if (transactions_ != nullptr && !prepare_transactions()) return;
  while (!closing_) {
    polled_at_ms_ = now_ms();
    const int64_t until_commit = std::clamp<int64_t>(next_commit_ms_ - now_ms(), 0, kPollMs);
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client_, static_cast<int>(until_commit));
    if (message != nullptr) {
      handle_message_error(*message);
      rd_kafka_message_destroy(message);
    }
    serve_commit_replies(0);
    const bool is_due = now_ms() >= next_commit_ms_ || (transactions_ != nullptr && dispatcher_.outputs_full());
    if (!is_due || replies_due_ != 0) continue;
    next_commit_ms_ = now_ms() + options_.commit_interval_ms;
    commit_changed();
  }
}

void Consumer::handle_message_error(const rd_kafka_message_t& message) {
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail(internal_failure("a message arrived on the consumer queue instead of its partition's"));
    return;
  }
  KafkaFailure failure = message.err == RD_KAFKA_RESP_ERR__FATAL
                             ? fatal_failure(client_)
                             : classify(message.err, ErrorContext::kConsumer, rd_kafka_message_errstr(&message));
  if (options_.wait_for_topics && failure.code == "TOPIC_UNKNOWN") failure.fatal = false;
  fail(failure);
}

void Consumer::fail(const KafkaFailure& failure) {
  if (failure.fatal && failed_.exchange(true)) return;
  listener_(FailureEvent{failure});
}

void Consumer::on_error(rd_kafka_t* client, int error, const char* reason, void* opaque) {
  auto* consumer = static_cast<Consumer*>(opaque);
  if (error != RD_KAFKA_RESP_ERR__FATAL) {
    consumer->fail(classify(static_cast<rd_kafka_resp_err_t>(error), ErrorContext::kConsumer, reason));
    return;
  }
  consumer->fail(fatal_failure(client));
}

void Consumer::on_log(const rd_kafka_t* client, int level, const char* facility, const char* message) {
  const auto* consumer = static_cast<const Consumer*>(rd_kafka_opaque(client));
  if (consumer != nullptr) consumer->listener_(LogEvent{level, facility, message});
}

// librdkafka frees the text when this returns 0.
int Consumer::on_statistics(rd_kafka_t* /*client*/, char* json, size_t size, void* opaque) {
  static_cast<Consumer*>(opaque)->listener_(StatisticsEvent{std::string(json, size)});
  return 0;
}

// --- Rebalance -------------------------------------------------------------------------------------------------------

void Consumer::on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions,
                            void* opaque) {
  auto* consumer = static_cast<Consumer*>(opaque);
  // A rebalance that was on its way when the group handle ended: nobody would answer a call about it, and
  // rd_kafka_assign() would wait for good (librdkafka 2.15.1, rd_kafka_cgrp_op_serve drops it without a reply).
  if (rd_kafka_consumer_closed(client) != 0) return;
  switch (error) {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
      consumer->assign(partitions);
      break;
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
      consumer->revoke(partitions);
      break;
    default:
      consumer->fail(classify(error, ErrorContext::kConsumer, rd_kafka_err2str(error)));
      consumer->revoke(partitions);
  }
}

// The classic eager protocol replaces whole assignments; the cooperative and the KIP-848 ones move single partitions.
bool Consumer::incremental() const {
  const char* protocol = rd_kafka_rebalance_protocol(client_);
  return protocol != nullptr && std::strcmp(protocol, "COOPERATIVE") == 0;
}

void Consumer::assign(rd_kafka_topic_partition_list_t* partitions) {
  if (closing_) {
    unassign(partitions);
    return;
  }
  recover(partitions);
  if (closing_) {
    unassign(partitions);
    return;
  }
  if (!incremental()) {
    const rd_kafka_resp_err_t error = rd_kafka_assign(client_, partitions);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail(classify(error, ErrorContext::kConsumer, rd_kafka_err2str(error)));
    return;
  }
  report(rd_kafka_incremental_assign(client_, partitions));
}

// Finds what was committed, and prepares each partition: tracker, epoch, queue. Sets the offsets to start from.
void Consumer::recover(rd_kafka_topic_partition_list_t* partitions) {
  const rd_kafka_resp_err_t error = partitions->cnt == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : read_committed(partitions);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    // librdkafka finds the offsets again by itself; without the gap maps, which is safe and repeats more.
    fail(classify(error, ErrorContext::kCommitted, "the committed gap maps could not be read"));
  }
  AssignedEvent event;
  for (rd_kafka_topic_partition_t& partition : elements(partitions)) {
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR || partition.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      partition.offset = RD_KAFKA_OFFSET_INVALID;
    }
    event.partitions.push_back(recover_one(partition));
  }
  listener_(event);
}

// Exactly once cannot go on without the gap maps: it asks until they are answered, which is at the latest when the
// broker has aborted what a member that is gone has left open (transaction.timeout.ms).
rd_kafka_resp_err_t Consumer::read_committed(rd_kafka_topic_partition_list_t* partitions) {
  if (transactions_ == nullptr) return rd_kafka_committed(client_, partitions, kCommittedTimeoutMs);
  // One of this member's own would be waited for in vain: nobody else decides it.
  while (transactions_->unanswered() && !closing_ && !failed_) commit_in_transaction(kTransactionTimeoutMs);
  const auto has_failed = [](const rd_kafka_topic_partition_t& each) { return each.err != RD_KAFKA_RESP_ERR_NO_ERROR; };
  while (true) {
    rd_kafka_resp_err_t error = rd_kafka_committed(client_, partitions, kStableOffsetsTimeoutMs);
    const auto all = elements(partitions);
    const auto failed = std::find_if(all.begin(), all.end(), has_failed);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && failed != all.end()) error = failed->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || closing_ || failed_) return error;
    fail(classify(error, ErrorContext::kCommitted, "the committed gap maps are not readable yet"));
  }
}

AssignedPartition Consumer::recover_one(rd_kafka_topic_partition_t& committed) {
  AssignedPartition assigned;
  assigned.at = {committed.topic, committed.partition};
  std::optional<GapMap> map;
  if (committed.offset >= 0) {
    const std::string text(static_cast<const char*>(committed.metadata), committed.metadata_size);
    ReadMetadata read = read_metadata(committed.offset, text);
    assigned.committed = committed.offset;
    assigned.format = read.format;
    assigned.settled_above = read.map.length - read.map.gap_count();
    if (!read.failure.code.empty()) {
      fail({.code = read.failure.code,
            .message = assigned.at.topic + " [" + std::to_string(assigned.at.partition) + "] at offset " +
                       std::to_string(committed.offset) + ": " + read.failure.message + "; the offset alone is used"});
    }
    map = std::move(read.map);
  } else {
    committed.offset = RD_KAFKA_OFFSET_INVALID;
  }
  clear_metadata(committed);

  const PartitionId id = intern(assigned.at.topic, assigned.at.partition);
  assigned.epoch = dispatcher_.assign(id, map);
  if (transactions_ != nullptr) transactions_->assigned(id, map ? map->base + map->length : 0);
  {
    const std::lock_guard lock(state_mutex_);
    committed_[id] = {.committed = assigned.committed};
  }
  // Cut off before the fetch starts: librdkafka keeps a forwarding that the application has set.
  rd_kafka_queue_t* queue = rd_kafka_queue_get_partition(client_, committed.topic, committed.partition);
  rd_kafka_queue_forward(queue, nullptr);
  ingest_->add(id, assigned.epoch, queue);
  return assigned;
}

void Consumer::revoke(rd_kafka_topic_partition_list_t* partitions) {
  RevokedEvent event;
  event.lost = rd_kafka_assignment_lost(client_) != 0;
  std::vector<PartitionId> ids;
  for (const rd_kafka_topic_partition_t& partition : elements(partitions)) {
    event.partitions.push_back({partition.topic, partition.partition});
    ids.push_back(intern(partition.topic, partition.partition));
    dispatcher_.begin_drain(ids.back());
    ingest_->remove(ids.back());
  }
  if (!event.lost) {
    if (!closing_) wait_for_leases(ids);
    // The wait may have cost the membership. Without one librdkafka commits as a client of no group, which a broker
    // takes while the group is empty: it could move back what another member has committed meanwhile.
    event.lost = rd_kafka_assignment_lost(client_) != 0;
    if (!event.lost) commit_now(ids);
  }
  for (const PartitionId id : ids) {
    dispatcher_.release(id);
    forget_outputs(id);
  }
  unassign(partitions);
  listener_(event);
}

void Consumer::unassign(rd_kafka_topic_partition_list_t* partitions) {
  if (incremental()) {
    report(rd_kafka_incremental_unassign(client_, partitions));
  } else {
    rd_kafka_assign(client_, nullptr);
  }
}

void Consumer::report(rd_kafka_error_t* error) {
  if (error == nullptr) return;
  fail(classify(rd_kafka_error_code(error), ErrorContext::kConsumer, rd_kafka_error_string(error)));
  rd_kafka_error_destroy(error);
}

// Waits until nothing of these partitions is leased, or the rebalance timeout has passed; then release() fences.
void Consumer::wait_for_leases(const std::vector<PartitionId>& partitions) {
  const int64_t until = now_ms() + options_.rebalance_timeout_ms;
  anyone_waits_ = true;
  const auto drained = [&] {
    return std::all_of(partitions.begin(), partitions.end(), [&](PartitionId id) { return dispatcher_.drained(id); });
  };
  while (!closing_ && !drained() && now_ms() < until) {
    std::unique_lock lock(state_mutex_);
    settled_.wait_for(lock, std::chrono::milliseconds(5));
  }
}

// --- Commits ---------------------------------------------------------------------------------------------------------

void Consumer::commit_changed() {
  if (rd_kafka_assignment_lost(client_) != 0) return;
  if (transactions_ == nullptr) {
    send_commit(dispatcher_.changed());
  } else {
    commit_in_transaction(kTransactionTimeoutMs);
  }
}

// Commits these partitions and waits for the answer; again where the metadata was too large.
void Consumer::commit_now(const std::vector<PartitionId>& partitions) {
  const int64_t until = now_ms() + kCommitTimeoutMs;
  if (transactions_ != nullptr) {
    commit_in_transactions(until);
    return;
  }
  // librdkafka sends a commit again that a broker did not take: after this one, it would take this one back.
  while (replies_due_ != 0 && now_ms() < until) serve_commit_replies(kPollMs);
  if (replies_due_ != 0) {
    fail(classify(RD_KAFKA_RESP_ERR__TIMED_OUT, ErrorContext::kCommit,
                  "the commit before the last one was not answered; what was settled since comes again"));
    return;
  }
  std::vector<PartitionId> left = partitions;
  do {
    std::vector<CommitSnapshot> snapshots;
    for (const PartitionId id : left) {
      if (auto snapshot = dispatcher_.collect(id)) snapshots.push_back(std::move(*snapshot));
    }
    too_large_.clear();
    send_commit(snapshots);
    while (replies_due_ != 0 && now_ms() < until) serve_commit_replies(kPollMs);
    left = too_large_;
  } while (!left.empty() && now_ms() < until);
}

void Consumer::send_commit(const std::vector<CommitSnapshot>& snapshots) {
  if (snapshots.empty()) return;
  const PartitionList list = to_offsets(snapshots).list;
  const rd_kafka_resp_err_t error = rd_kafka_commit_queue(client_, list.get(), commit_replies_, nullptr, nullptr);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    handle_commit_reply(*list, error);
    return;
  }
  ++replies_due_;
}

// A partition near the limit of its metadata starts only what fills gaps.
Consumer::Offsets Consumer::to_offsets(const std::vector<CommitSnapshot>& snapshots) {
  Offsets offsets{PartitionList(rd_kafka_topic_partition_list_new(static_cast<int>(snapshots.size()))), {}};
  for (const CommitSnapshot& snapshot : snapshots) {
    const TopicPartition name = at(snapshot.partition);
    const MetadataWriter::Written written = metadata_.write(snapshot.map);
    if (written.near_limit) dispatcher_.set_metadata_full(snapshot.partition, true);
    if (written.has_room) dispatcher_.set_metadata_full(snapshot.partition, false);
    const Offset covered = snapshot.map.base + written.metadata.covered;
    if (transactions_ != nullptr && covered < transactions_->must_cover(snapshot.partition)) {
      dispatcher_.mark_changed(snapshot.partition, snapshot.epoch);
      continue;
    }
    rd_kafka_topic_partition_t* partition =
        rd_kafka_topic_partition_list_add(offsets.list.get(), name.topic.c_str(), name.partition);
    partition->offset = snapshot.map.base;
    set_metadata(*partition, written.metadata.text);
    offsets.covered.push_back({snapshot.partition, snapshot.epoch, covered});
  }
  return offsets;
}

// What has changed, or, while the last transaction is not decided, that one: what is new goes with the next. False: it
// is to be called again.
bool Consumer::commit_in_transaction(int64_t timeout_ms) {
  const bool was_undecided = transactions_->unanswered();
  if (!was_undecided) {
    std::vector<CommitSnapshot> snapshots = dispatcher_.changed();
    if (snapshots.empty()) return true;
    for (CommitSnapshot& snapshot : snapshots) transactions_->add(snapshot);
    open_ = to_offsets(snapshots);
    if (open_.covered.empty()) {
      transactions_->set_aside();
      dispatcher_.forget_outputs(transactions_->take_released_bytes());
      return true;
    }
  }
  const auto result = transactions_->commit(client_, open_.list.get(), open_.covered,
                                            static_cast<int>(std::max<int64_t>(timeout_ms, 1)));
  const bool is_committed = transaction_ended(result);
  dispatcher_.forget_outputs(transactions_->take_released_bytes());
  return is_committed && !was_undecided;
}

// Before partitions go. What is not committed by then is run again by others, and its outputs are forgotten.
void Consumer::commit_in_transactions(int64_t until_ms) {
  while (!commit_in_transaction(until_ms - now_ms())) {
    const std::string& code = transactions_->failure().code;
    // The group has gone on without this member.
    if (failed_ || code == "MEMBERSHIP_LOST" || now_ms() >= until_ms) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
  }
}

// True: it was committed.
bool Consumer::transaction_ended(TransactionWriter::Result result) {
  switch (result) {
    case TransactionWriter::Result::kCommitted:
      ++transactions_committed_;
      handle_commit_reply(*open_.list, RD_KAFKA_RESP_ERR_NO_ERROR);
      return true;
    case TransactionWriter::Result::kAborted:
      ++transactions_aborted_;
      ++commit_failures_;
      transaction_aborted(transactions_->failure());
      break;
    case TransactionWriter::Result::kUnanswered:
      next_commit_ms_ = now_ms();
      break;
    case TransactionWriter::Result::kFailed:
      break;
  }
  fail(transactions_->failure());
  return false;
}

void Consumer::transaction_aborted(const KafkaFailure& failure) {
  size_t most_units = 0;
  for (const rd_kafka_topic_partition_t& partition : elements(open_.list.get())) {
    const PartitionId id = intern(partition.topic, partition.partition);
    dispatcher_.mark_changed(id, dispatcher_.epoch(id));
    most_units = std::max(most_units, utf16_units(partition.metadata, partition.metadata_size));
    const std::lock_guard lock(state_mutex_);
    committed_[id].error = failure.message;
  }
  if (failure.code != std::string("METADATA_TOO_LARGE")) return;
  // The answer names no partition: it was at least the largest text. Again at once, with less.
  metadata_.refused(most_units);
  ++metadata_fallbacks_;
  next_commit_ms_ = now_ms();
}

void Consumer::forget_outputs(PartitionId partition) {
  if (transactions_ == nullptr) return;
  transactions_->forget(partition);
  dispatcher_.forget_outputs(transactions_->take_released_bytes());
}

void Consumer::serve_commit_replies(int timeout_ms) {
  while (rd_kafka_event_t* event = rd_kafka_queue_poll(commit_replies_, timeout_ms)) {
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT) {
      if (replies_due_ > 0) --replies_due_;
      handle_commit_reply(*rd_kafka_event_topic_partition_list(event), rd_kafka_event_error(event));
    }
    rd_kafka_event_destroy(event);
    timeout_ms = 0;
  }
}

void Consumer::handle_commit_reply(const rd_kafka_topic_partition_list_t& list, rd_kafka_resp_err_t error) {
  CommittedEvent event;
  for (const rd_kafka_topic_partition_t& partition : elements(&list)) {
    const rd_kafka_resp_err_t each = partition.err != RD_KAFKA_RESP_ERR_NO_ERROR ? partition.err : error;
    const PartitionId id = intern(partition.topic, partition.partition);
    if (each == RD_KAFKA_RESP_ERR_NO_ERROR) {
      event.partitions.emplace_back(TopicPartition{partition.topic, partition.partition}, partition.offset);
      const std::lock_guard lock(state_mutex_);
      committed_[id] = {.committed = partition.offset, .at_ms = now_ms()};
      continue;
    }
    dispatcher_.mark_changed(id, dispatcher_.epoch(id));
    {
      const std::lock_guard lock(state_mutex_);
      committed_[id].error = rd_kafka_err2str(each);
    }
    if (each == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE) {
      // The offset matters more than the map: commit again at once, with less.
      metadata_.refused(utf16_units(partition.metadata, partition.metadata_size));
      ++metadata_fallbacks_;
      too_large_.push_back(id);
      next_commit_ms_ = now_ms();
    } else {
      ++commit_failures_;
    }
    fail(classify(each, ErrorContext::kCommit,
                  std::string(partition.topic) + " [" + std::to_string(partition.partition) + "] at offset " +
                      std::to_string(partition.offset) + ": " + rd_kafka_err2str(each)));
  }
  if (event.partitions.empty()) return;
  ++commits_;
  listener_(event);
}

PartitionId Consumer::intern(const std::string& topic, int32_t partition) {
  const std::lock_guard lock(state_mutex_);
  const auto [found, added] = ids_.try_emplace({topic, partition}, static_cast<PartitionId>(names_.size()));
  if (added) names_.push_back(found->first);
  return found->second;
}

int64_t Consumer::epoch_ms() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count() - now_ms();
}

int64_t Consumer::now_ms() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace laneway
