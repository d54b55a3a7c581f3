// See producer.h.
#include "kafka/producer.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace laneway {

namespace {

constexpr int kPollMs = 50;
constexpr int kCloseFlushMs = 1'000;
// A flush looks this often whether the producer is being closed.
constexpr int64_t kFlushSliceMs = 50;

using Clock = std::chrono::steady_clock;

KafkaFailure closed_failure() { return {.code = "PRODUCER_CLOSED", .message = "the producer is closed"}; }

}  // namespace

std::variant<std::unique_ptr<Producer>, KafkaFailure> Producer::create(const Properties& properties) {
  std::unique_ptr<Producer> producer(new Producer());
  auto made = make_client(RD_KAFKA_PRODUCER, properties, [raw = producer.get()](rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, raw);
    rd_kafka_conf_set_dr_msg_cb(conf, &Producer::on_delivery);
  });
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  producer->client_ = std::move(std::get<ClientHandle>(made));
  producer->poll_thread_ = std::thread([raw = producer.get()] { raw->poll_loop(); });
  return producer;
}

Producer::~Producer() { close(); }

std::optional<KafkaFailure> Producer::send(const OutgoingRecord& record) {
  const std::shared_lock in_use(client_mutex_);
  if (closing_) return closed_failure();
  ++sent_;
  const ErrorHandle error = produce(client_.get(), record, nullptr);
  if (!error) return std::nullopt;
  --sent_;
  return classify(rd_kafka_error_code(error.get()), ErrorContext::kProduce,
                  record.topic + ": " + rd_kafka_error_string(error.get()));
}

std::optional<KafkaFailure> Producer::flush(int64_t timeout_ms) {
  const std::shared_lock in_use(client_mutex_);
  if (closing_) return closed_failure();
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (queued() != 0 && !closing_) {
    const auto left_ms = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left_ms <= 0) break;
    // The poll thread may serve the callbacks first; rd_kafka_flush() only hurries what waits for its batch.
    const auto slice_ms = static_cast<int>(std::min<int64_t>(left_ms, kFlushSliceMs));
    const bool is_empty = rd_kafka_flush(client_.get(), slice_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (is_empty && queued() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const std::lock_guard lock(failure_mutex_);
  if (first_failure_) return std::exchange(first_failure_, std::nullopt);
  if (queued() == 0) return std::nullopt;
  if (closing_) return closed_failure();
  return classify(
      RD_KAFKA_RESP_ERR__TIMED_OUT, ErrorContext::kProduce,
      std::to_string(queued()) + " records were not acknowledged within " + std::to_string(timeout_ms) + " ms");
}

void Producer::close() {
  const std::lock_guard lock(close_mutex_);
  closing_ = true;
  if (poll_thread_.joinable()) poll_thread_.join();
  // Who is inside send() or flush() leaves soon, and nobody comes in after them.
  const std::unique_lock alone(client_mutex_);
  if (!client_) return;
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(client_.get(), kCloseFlushMs);
  client_.reset();
}

uint64_t Producer::queued() const {
  // In this order: what is done was sent before.
  const uint64_t done = delivered_ + failed_;
  return sent_ - done;
}

void Producer::poll_loop() {
  while (!closing_) rd_kafka_poll(client_.get(), kPollMs);
}

void Producer::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* producer = static_cast<Producer*>(opaque);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++producer->delivered_;
    return;
  }
  {
    const std::lock_guard lock(producer->failure_mutex_);
    // Not rd_kafka_message_errstr(): of a record that was to be produced it returns the value itself.
    if (!producer->first_failure_) {
      producer->first_failure_ =
          classify(message->err, ErrorContext::kProduce,
                   std::string(rd_kafka_topic_name(message->rkt)) + ": " + rd_kafka_err2str(message->err));
    }
  }
  ++producer->failed_;
}

}  // namespace laneway
