// See transaction_writer.h. The order of calls, and what each kind of error asks for, is librdkafka's INTRODUCTION.md,
// "Transactional Producer": retriable errors repeat the call, abortable ones abort, fatal ones end the producer. Errors
// that say nothing of the three (a call in a wrong state) abort, too; where even that fails, the producer is at its
// end.
#include "kafka/transaction_writer.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <utility>

namespace laneway {

namespace {

constexpr int kRetryPauseMs = 50;
// The least that an abort is given, so that what is left of a deadline does not leave it undecided for nothing.
constexpr int kAbortTimeoutMs = 1'000;

int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

int left_until(int64_t until_ms) { return static_cast<int>(std::max<int64_t>(until_ms - now_ms(), 1)); }

std::vector<std::byte> copy_of(const std::optional<std::span<const std::byte>>& bytes) {
  return bytes ? std::vector<std::byte>(bytes->begin(), bytes->end()) : std::vector<std::byte>();
}

// Sent again, these would be refused again.
bool is_for_good(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return true;
    default:
      return false;
  }
}

// Fatal to librdkafka's producer, but no sign of another one: the broker has lost or never seen the transaction, as
// after a crash of its own. The epoch was accepted, so that a producer of the same id fences nobody but this one.
bool is_of_the_transaction(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
      return true;
    default:
      return false;
  }
}

using GroupMetadata =
    std::unique_ptr<rd_kafka_consumer_group_metadata_t, Destroy<rd_kafka_consumer_group_metadata_destroy>>;

}  // namespace

KafkaOutput::KafkaOutput(const OutgoingRecord& record)
    : record_(record), key_(copy_of(record.key)), value_(copy_of(record.value)) {
  if (record_.key) record_.key = std::span<const std::byte>(key_);
  if (record_.value) record_.value = std::span<const std::byte>(value_);
}

size_t KafkaOutput::size() const {
  size_t size = sizeof *this + record_.topic.size() + key_.size() + value_.size();
  for (const OutgoingHeader& header : record_.headers) {
    size += sizeof header + header.name.size() + (header.value ? header.value->size() : 0);
  }
  return size;
}

std::variant<std::unique_ptr<TransactionWriter>, KafkaFailure> TransactionWriter::create(const Properties& properties) {
  std::unique_ptr<TransactionWriter> writer(new TransactionWriter(properties));
  if (auto failure = writer->open()) return std::move(*failure);
  return writer;
}

std::optional<KafkaFailure> TransactionWriter::open() {
  auto made = make_client(RD_KAFKA_PRODUCER, properties_, [this](rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, &TransactionWriter::on_delivery);
  });
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  client_ = std::move(std::get<ClientHandle>(made));
  return std::nullopt;
}

// Called by librdkafka's poll and flush, which only this class calls.
void TransactionWriter::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* writer = static_cast<TransactionWriter*>(opaque);
  if (!is_for_good(message->err) || writer->undeliverable_) return;
  writer->undeliverable_ = classify(message->err, ErrorContext::kProduce,
                                    std::string("an output for ") + rd_kafka_topic_name(message->rkt) +
                                        " cannot be delivered: " + rd_kafka_err2str(message->err));
}

TransactionWriter::Result TransactionWriter::prepare(int timeout_ms) {
  const ErrorHandle error =
      persist([&](int left_ms) { return rd_kafka_init_transactions(client_.get(), left_ms); }, now_ms() + timeout_ms);
  if (!error) return Result::kCommitted;
  if (rd_kafka_error_is_retriable(error.get()) == 0) return fail(error, "transactions cannot begin: ");
  note(rd_kafka_error_code(error.get()),
       std::string("transactions cannot begin: ") + rd_kafka_error_string(error.get()));
  return Result::kUnanswered;
}

void TransactionWriter::add(CommitSnapshot& snapshot) {
  for (SettledOutput& settled : snapshot.outputs) {
    outputs_.push_back({snapshot.partition, snapshot.epoch, settled.offset, std::move(settled.output)});
  }
  snapshot.outputs.clear();
}

void TransactionWriter::set_aside() {
  for (Kept& kept : outputs_) uncount(kept);
}

void TransactionWriter::forget(PartitionId partition) {
  for (Kept& kept : outputs_) kept.is_forgotten |= kept.partition == partition;
  // What an undecided transaction has sent is kept until it is decided.
  if (!unanswered()) release(false);
}

Offset TransactionWriter::must_cover(PartitionId partition) const {
  const auto found = must_cover_.find(partition);
  return found == must_cover_.end() ? 0 : found->second;
}

void TransactionWriter::release(bool is_committed) {
  std::erase_if(outputs_, [&](Kept& kept) {
    const bool is_over = kept.is_forgotten || (kept.is_sent && is_committed);
    if (is_over) uncount(kept);
    if (kept.is_sent && is_committed && !kept.is_forgotten) {
      Offset& end = must_cover_[kept.partition];
      end = std::max(end, kept.offset + 1);
    }
    kept.is_sent = false;
    return is_over;
  });
}

void TransactionWriter::uncount(Kept& kept) {
  if (!kept.is_uncounted) released_bytes_ += kept.output->size();
  kept.is_uncounted = true;
}

TransactionWriter::Result TransactionWriter::commit(rd_kafka_t* consumer,
                                                    const rd_kafka_topic_partition_list_t* offsets,
                                                    const std::vector<Covered>& covered, int timeout_ms) {
  const int64_t until_ms = now_ms() + timeout_ms;
  switch (state_) {
    case State::kIdle:
      return begin(consumer, offsets, covered, until_ms);
    case State::kCommitting:
      return finish(until_ms);
    case State::kAborting:
      return abort(until_ms);
    case State::kReopening:
      return finish_reopening(until_ms);
    case State::kFailed:
      break;
  }
  return Result::kFailed;
}

TransactionWriter::Result TransactionWriter::begin(rd_kafka_t* consumer, const rd_kafka_topic_partition_list_t* offsets,
                                                   const std::vector<Covered>& covered, int64_t until_ms) {
  undeliverable_.reset();
  if (const ErrorHandle error{rd_kafka_begin_transaction(client_.get())}) return give_up(error, until_ms);
  if (const auto ended = send_outputs(covered, until_ms)) return *ended;
  const GroupMetadata group(rd_kafka_consumer_group_metadata(consumer));
  const ErrorHandle error = persist(
      [&](int left_ms) { return rd_kafka_send_offsets_to_transaction(client_.get(), offsets, group.get(), left_ms); },
      until_ms);
  if (error) return give_up(error, until_ms);
  state_ = State::kCommitting;
  return finish(until_ms);
}

std::optional<TransactionWriter::Result> TransactionWriter::send_outputs(const std::vector<Covered>& covered,
                                                                         int64_t until_ms) {
  std::unordered_map<PartitionId, const Covered*> by_partition;
  for (const Covered& each : covered) by_partition.emplace(each.partition, &each);
  for (Kept& kept : outputs_) {
    const auto found = by_partition.find(kept.partition);
    const bool is_covered =
        found != by_partition.end() && found->second->epoch == kept.epoch && kept.offset < found->second->covered;
    if (!is_covered) {
      uncount(kept);
      continue;
    }
    if (const auto ended = send(static_cast<const KafkaOutput&>(*kept.output).record(), until_ms)) return ended;
    kept.is_sent = true;
  }
  return std::nullopt;
}

std::optional<TransactionWriter::Result> TransactionWriter::send(const OutgoingRecord& record, int64_t until_ms) {
  while (const ErrorHandle error = produce(client_.get(), record, nullptr)) {
    const rd_kafka_resp_err_t code = rd_kafka_error_code(error.get());
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && now_ms() < until_ms) {
      rd_kafka_poll(client_.get(), kRetryPauseMs);
      continue;
    }
    if (is_for_good(code)) {
      undeliverable_ =
          classify(code, ErrorContext::kProduce,
                   "an output for " + record.topic + " cannot be delivered: " + rd_kafka_error_string(error.get()));
    }
    return give_up(error, until_ms);
  }
  return std::nullopt;
}

// Flushes, too: librdkafka does that before it ends a transaction.
TransactionWriter::Result TransactionWriter::finish(int64_t until_ms) {
  const ErrorHandle error =
      persist([&](int left_ms) { return rd_kafka_commit_transaction(client_.get(), left_ms); }, until_ms);
  if (!error) {
    state_ = State::kIdle;
    release(true);
    return Result::kCommitted;
  }
  if (rd_kafka_error_is_retriable(error.get()) == 0) return give_up(error, until_ms);
  note(rd_kafka_error_code(error.get()),
       std::string("a transaction is not decided yet: ") + rd_kafka_error_string(error.get()));
  return Result::kUnanswered;
}

ErrorHandle TransactionWriter::persist(const std::function<rd_kafka_error_t*(int timeout_ms)>& call, int64_t until_ms) {
  while (true) {
    ErrorHandle error(call(left_until(until_ms)));
    if (!error || rd_kafka_error_is_retriable(error.get()) == 0 || now_ms() + kRetryPauseMs >= until_ms) return error;
    rd_kafka_poll(client_.get(), kRetryPauseMs);
  }
}

TransactionWriter::Result TransactionWriter::give_up(const ErrorHandle& error, int64_t until_ms) {
  const rd_kafka_resp_err_t code = rd_kafka_error_code(error.get());
  const bool is_fatal = rd_kafka_error_is_fatal(error.get()) != 0;
  // Who was asked to commit may have done it.
  const bool may_be_committed = state_ == State::kCommitting;
  if (is_fatal && (may_be_committed || !is_of_the_transaction(code))) {
    return fail(error, "a transaction was not committed: ");
  }
  note(code, std::string("a transaction was aborted: ") + rd_kafka_error_string(error.get()));
  return is_fatal ? reopen(until_ms) : abort(until_ms);
}

// The failure stays that for which it is aborted.
TransactionWriter::Result TransactionWriter::abort(int64_t until_ms) {
  state_ = State::kAborting;
  const ErrorHandle error = persist([&](int left_ms) { return rd_kafka_abort_transaction(client_.get(), left_ms); },
                                    std::max(until_ms, now_ms() + kAbortTimeoutMs));
  if (!error) return aborted();
  const bool is_fatal = rd_kafka_error_is_fatal(error.get()) != 0;
  if (is_fatal && is_of_the_transaction(rd_kafka_error_code(error.get()))) return reopen(until_ms);
  const bool is_to_be_repeated = rd_kafka_error_is_retriable(error.get()) != 0 ||
                                 (rd_kafka_error_txn_requires_abort(error.get()) != 0 && !is_fatal);
  return is_to_be_repeated ? Result::kUnanswered : fail(error, "a transaction could not be aborted: ");
}

TransactionWriter::Result TransactionWriter::reopen(int64_t until_ms) {
  client_.reset();
  if (const auto failure = open()) {
    state_ = State::kFailed;
    failure_ = *failure;
    failure_.fatal = true;
    return Result::kFailed;
  }
  state_ = State::kReopening;
  return finish_reopening(until_ms);
}

// The new producer's first request aborts what the former one has left open.
TransactionWriter::Result TransactionWriter::finish_reopening(int64_t until_ms) {
  const KafkaFailure cause = failure_;
  const Result result = prepare(left_until(until_ms));
  if (result != Result::kCommitted) return result;
  failure_ = cause;
  return aborted();
}

TransactionWriter::Result TransactionWriter::aborted() {
  state_ = State::kIdle;
  release(false);
  if (!undeliverable_) return Result::kAborted;
  state_ = State::kFailed;
  failure_ = *undeliverable_;
  failure_.fatal = true;
  return Result::kFailed;
}

TransactionWriter::Result TransactionWriter::fail(const ErrorHandle& error, const char* what) {
  state_ = State::kFailed;
  note(rd_kafka_error_code(error.get()), std::string(what) + rd_kafka_error_string(error.get()));
  failure_.retriable = false;
  failure_.fatal = true;
  return Result::kFailed;
}

void TransactionWriter::note(rd_kafka_resp_err_t error, const std::string& text) {
  failure_ = classify(error, ErrorContext::kProduce, text);
  failure_.retriable = true;
  failure_.fatal = false;
}

}  // namespace laneway
