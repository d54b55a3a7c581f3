// See dead_letter_writer.h.
#include "kafka/dead_letter_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace laneway {

namespace {

constexpr int kPollMs = 5;
constexpr int64_t kIdleWaitMs = 50;
constexpr int64_t kFirstDelayMs = 100;
constexpr int64_t kLongestDelayMs = 30'000;
constexpr int64_t kWarningIntervalMs = 10'000;
constexpr int kStopFlushMs = 1'000;

// What a letter must not be without; the rest gives way to the user's own.
Properties with_defaults(Properties properties) {
  properties["enable.idempotence"] = "true";
  properties["acks"] = "all";
  // After this long the failure shows, and the letter is sent again.
  if (!properties.contains("message.timeout.ms")) properties.emplace("delivery.timeout.ms", "30000");
  return properties;
}

int64_t delay_after(uint32_t failures) {
  return std::min(kFirstDelayMs << std::min<uint32_t>(failures, 16), kLongestDelayMs);
}

}  // namespace

OutgoingRecord to_record(const DeadLetter& letter, const MessageView& message) {
  OutgoingRecord record{.topic = letter.topic, .timestamp_ms = std::max<int64_t>(message.timestamp_ms, 0)};
  record.key = message.key;
  if (letter.with_payload) record.value = message.value;
  record.headers = decode_headers(message.headers);
  record.headers.insert(record.headers.end(), letter.headers.begin(), letter.headers.end());
  return record;
}

std::variant<std::unique_ptr<DeadLetterWriter>, KafkaFailure> DeadLetterWriter::create(Dispatcher& dispatcher,
                                                                                       const Properties& properties,
                                                                                       Host host) {
  std::unique_ptr<DeadLetterWriter> writer(
      new DeadLetterWriter(dispatcher, with_defaults(properties), std::move(host)));
  if (auto failure = writer->open()) return std::move(*failure);
  writer->thread_ = std::thread([raw = writer.get()] { raw->run(); });
  return writer;
}

DeadLetterWriter::DeadLetterWriter(Dispatcher& dispatcher, Properties properties, Host host)
    : dispatcher_(dispatcher), properties_(std::move(properties)), host_(std::move(host)) {}

DeadLetterWriter::~DeadLetterWriter() { stop(); }

std::optional<KafkaFailure> DeadLetterWriter::open() {
  auto made = make_client(RD_KAFKA_PRODUCER, properties_, [this](rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, &DeadLetterWriter::on_delivery);
  });
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  client_ = std::move(std::get<ClientHandle>(made));
  return std::nullopt;
}

void DeadLetterWriter::write(DeadLetter letter) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    ++stats_.pending;
    auto pending = std::make_unique<Pending>();
    pending->letter = std::move(letter);
    waiting_.push_back(std::move(pending));
  }
  work_.notify_one();
}

void DeadLetterWriter::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

DeadLetterStats DeadLetterWriter::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void DeadLetterWriter::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (stopping_) break;
      if (in_flight_ == 0) {
        // Due times are looked at every so often; a new letter wakes at once.
        const bool has_new =
            std::any_of(waiting_.begin(), waiting_.end(), [](const auto& p) { return p->due_ms == 0; });
        if (!has_new) work_.wait_for(lock, std::chrono::milliseconds(kIdleWaitMs));
      }
      if (stopping_) break;
    }
    if (!client_ && open()) {
      // What it needs may be there later; asking all the time would cost a core.
      std::unique_lock lock(mutex_);
      work_.wait_for(lock, std::chrono::milliseconds(kIdleWaitMs), [this] { return stopping_; });
      continue;
    }
    for (auto& pending : due()) send(std::move(pending));
    rd_kafka_poll(client_.get(), in_flight_ == 0 ? 0 : kPollMs);
    char reason[512];
    if (rd_kafka_fatal_error(client_.get(), reason, sizeof reason) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      // An idempotent producer that lost its sequence is of no more use. What it has comes back as failed.
      rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
      while (in_flight_ != 0) rd_kafka_poll(client_.get(), kPollMs);
      client_.reset();
    }
  }
  if (!client_) return;
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(client_.get(), kStopFlushMs);
  client_.reset();
}

std::vector<std::unique_ptr<DeadLetterWriter::Pending>> DeadLetterWriter::due() {
  const int64_t now_ms = host_.now_ms();
  const std::lock_guard lock(mutex_);
  const auto later =
      std::stable_partition(waiting_.begin(), waiting_.end(), [&](const auto& p) { return p->due_ms > now_ms; });
  std::vector<std::unique_ptr<Pending>> due(std::make_move_iterator(later), std::make_move_iterator(waiting_.end()));
  waiting_.erase(later, waiting_.end());
  return due;
}

void DeadLetterWriter::send(std::unique_ptr<Pending> pending) {
  const DeadLetter& letter = pending->letter;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  const bool is_leased = dispatcher_.read_withheld(letter.lease, letter.slot, [&](const MessageView& message) {
    if (const ErrorHandle refused = produce(client_.get(), to_record(letter, message), pending.get())) {
      error = rd_kafka_error_code(refused.get());
    }
  });
  if (!is_leased) {
    // The partition is another's by now, who will run the message again.
    const std::lock_guard lock(mutex_);
    --stats_.pending;
  } else if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++in_flight_;
    (void)pending.release();
  } else if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    retry(std::move(pending), kFirstDelayMs);
  } else {
    failed(std::move(pending), error);
  }
}

void DeadLetterWriter::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* writer = static_cast<DeadLetterWriter*>(opaque);
  std::unique_ptr<Pending> pending(static_cast<Pending*>(message->_private));
  --writer->in_flight_;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    writer->delivered(*pending);
  } else {
    writer->failed(std::move(pending), message->err);
  }
}

void DeadLetterWriter::delivered(const Pending& pending) {
  dispatcher_.settle_withheld({pending.letter.lease, pending.letter.slot, 0, Outcome::kDeadLettered}, host_.now_ms());
  {
    const std::lock_guard lock(mutex_);
    --stats_.pending;
    ++stats_.delivered;
    stats_.failing_since_ms = -1;
  }
  host_.on_settled();
}

void DeadLetterWriter::failed(std::unique_ptr<Pending> pending, rd_kafka_resp_err_t error) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    ++stats_.failures;
    if (stats_.failing_since_ms < 0) stats_.failing_since_ms = host_.now_ms();
    stats_.last_failure = rd_kafka_err2str(error);
  }
  warn(*pending, error);
  const bool is_too_large = error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && pending->letter.with_payload;
  if (is_too_large) {
    pending->letter.with_payload = false;
    pending->letter.headers.push_back({"laneway.payload", "omitted: too large"});
    retry(std::move(pending), 0);
    return;
  }
  const int64_t delay_ms = delay_after(pending->failures++);
  retry(std::move(pending), delay_ms);
}

void DeadLetterWriter::retry(std::unique_ptr<Pending> pending, int64_t delay_ms) {
  pending->due_ms = host_.now_ms() + delay_ms;
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(pending));
}

void DeadLetterWriter::warn(const Pending& pending, rd_kafka_resp_err_t error) {
  const int64_t now_ms = host_.now_ms();
  if (now_ms < next_warning_ms_) return;
  next_warning_ms_ = now_ms + kWarningIntervalMs;
  KafkaFailure failure = classify(error, ErrorContext::kProduce,
                                  "a dead letter for " + pending.letter.topic +
                                      " was not delivered, and is sent again: " + rd_kafka_err2str(error));
  failure.code = "DEAD_LETTER_FAILED";
  failure.retriable = true;
  failure.fatal = false;
  host_.on_failure(failure);
}

}  // namespace laneway
