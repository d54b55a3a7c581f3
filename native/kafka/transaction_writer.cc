// See transaction_writer.h. The order of calls, and what each kind of error asks for, is librdkafka's INTRODUCTION.md,
// "Transactional Producer": retriable errors repeat the call, abortable ones abort, fatal ones end the producer.
#include "kafka/transaction_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace laneway {

namespace {

constexpr int kRetryPauseMs = 50;
constexpr int kAbortTimeoutMs = 10'000;

int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

int left_until(int64_t until_ms) { return static_cast<int>(std::max<int64_t>(until_ms - now_ms(), 1)); }

std::vector<std::byte> copy_of(const std::optional<std::span<const std::byte>>& bytes) {
  return bytes ? std::vector<std::byte>(bytes->begin(), bytes->end()) : std::vector<std::byte>();
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
  auto client = make_client(RD_KAFKA_PRODUCER, properties);
  if (auto* failure = std::get_if<KafkaFailure>(&client)) return std::move(*failure);
  return std::unique_ptr<TransactionWriter>(new TransactionWriter(std::move(std::get<ClientHandle>(client))));
}

TransactionWriter::Result TransactionWriter::prepare(int timeout_ms) {
  const int64_t until_ms = now_ms() + timeout_ms;
  const ErrorHandle error =
      persist([&](int left_ms) { return rd_kafka_init_transactions(client_.get(), left_ms); }, until_ms);
  if (!error) return Result::kCommitted;
  failure_ = classify(rd_kafka_error_code(error.get()), ErrorContext::kProduce,
                      std::string("transactions cannot begin: ") + rd_kafka_error_string(error.get()));
  if (rd_kafka_error_is_retriable(error.get()) != 0) return Result::kAborted;
  failure_.fatal = true;
  return Result::kFailed;
}

void TransactionWriter::add(PartitionId partition, uint64_t epoch, std::vector<std::unique_ptr<Output>> outputs) {
  for (auto& output : outputs) outputs_.push_back({partition, epoch, std::move(output)});
}

void TransactionWriter::forget(PartitionId partition) {
  for (size_t i = 0; i < outputs_.size(); ++i) outputs_[i].is_forgotten |= outputs_[i].partition == partition;
  // What an undecided transaction has sent is kept until it is decided.
  if (state_ == State::kIdle) release(0);
}

// Frees the first `count` outputs, and those that are forgotten.
void TransactionWriter::release(size_t count) {
  size_t index = 0;
  std::erase_if(outputs_, [&](const Kept& kept) {
    const bool is_over = index++ < count || kept.is_forgotten;
    if (is_over) released_bytes_ += kept.output->size();
    return is_over;
  });
  sent_ = 0;
}

TransactionWriter::Result TransactionWriter::commit(rd_kafka_t* consumer,
                                                    const rd_kafka_topic_partition_list_t* offsets, int timeout_ms) {
  const int64_t until_ms = now_ms() + timeout_ms;
  if (state_ == State::kCommitting) return finish(until_ms);
  if (state_ == State::kAborting) return abort();
  return begin(consumer, offsets, until_ms);
}

TransactionWriter::Result TransactionWriter::begin(rd_kafka_t* consumer, const rd_kafka_topic_partition_list_t* offsets,
                                                   int64_t until_ms) {
  if (const ErrorHandle error{rd_kafka_begin_transaction(client_.get())}) return give_up(error);
  if (const auto ended = send_outputs(until_ms)) return *ended;
  const GroupMetadata group(rd_kafka_consumer_group_metadata(consumer));
  const ErrorHandle error = persist(
      [&](int left_ms) { return rd_kafka_send_offsets_to_transaction(client_.get(), offsets, group.get(), left_ms); },
      until_ms);
  if (error) return give_up(error);
  state_ = State::kCommitting;
  return finish(until_ms);
}

std::optional<TransactionWriter::Result> TransactionWriter::send_outputs(int64_t until_ms) {
  sent_ = 0;
  for (const Kept& kept : outputs_) {
    const auto& output = static_cast<const KafkaOutput&>(*kept.output);
    while (const ErrorHandle error = produce(client_.get(), output.record(), nullptr)) {
      const bool is_full = rd_kafka_error_code(error.get()) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
      if (!is_full || now_ms() >= until_ms) return give_up(error);
      rd_kafka_poll(client_.get(), kRetryPauseMs);
    }
    ++sent_;
  }
  return std::nullopt;
}

TransactionWriter::Result TransactionWriter::finish(int64_t until_ms) {
  const ErrorHandle error =
      persist([&](int left_ms) { return rd_kafka_commit_transaction(client_.get(), left_ms); }, until_ms);
  if (error) {
    if (rd_kafka_error_is_retriable(error.get()) != 0 && rd_kafka_error_txn_requires_abort(error.get()) == 0) {
      return Result::kUnanswered;
    }
    return give_up(error);
  }
  state_ = State::kIdle;
  release(sent_);
  ++committed_;
  return Result::kCommitted;
}

ErrorHandle TransactionWriter::persist(const std::function<rd_kafka_error_t*(int timeout_ms)>& call, int64_t until_ms) {
  while (true) {
    ErrorHandle error(call(left_until(until_ms)));
    if (!error || rd_kafka_error_is_retriable(error.get()) == 0 || now_ms() + kRetryPauseMs >= until_ms) return error;
    rd_kafka_poll(client_.get(), kRetryPauseMs);
  }
}

TransactionWriter::Result TransactionWriter::give_up(const ErrorHandle& error) {
  failure_ = classify(rd_kafka_error_code(error.get()), ErrorContext::kProduce,
                      std::string("a transaction was not committed: ") + rd_kafka_error_string(error.get()));
  failure_.fatal = rd_kafka_error_is_fatal(error.get()) != 0;
  if (failure_.fatal) return Result::kFailed;
  failure_.retriable = true;
  return abort();
}

TransactionWriter::Result TransactionWriter::abort() {
  state_ = State::kAborting;
  const ErrorHandle error = persist([&](int left_ms) { return rd_kafka_abort_transaction(client_.get(), left_ms); },
                                    now_ms() + kAbortTimeoutMs);
  if (error && rd_kafka_error_is_retriable(error.get()) != 0) return Result::kUnanswered;
  state_ = State::kIdle;
  release(0);
  ++aborted_;
  if (!error) return Result::kAborted;
  failure_ = classify(rd_kafka_error_code(error.get()), ErrorContext::kProduce,
                      std::string("a transaction could not be aborted: ") + rd_kafka_error_string(error.get()));
  failure_.fatal = true;
  return Result::kFailed;
}

}  // namespace laneway
