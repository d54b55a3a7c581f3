// See producer.h.
#include "kafka/producer.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace laneway {

namespace {

constexpr int kPollMs = 50;
constexpr int kCloseFlushMs = 1'000;

}  // namespace

std::variant<std::unique_ptr<Producer>, KafkaFailure> Producer::create(const Properties& properties) {
  auto made = make_conf(properties);
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  ConfHandle conf = std::move(std::get<ConfHandle>(made));
  std::unique_ptr<Producer> producer(new Producer(conf.get()));
  char reason[512];
  producer->client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), reason, sizeof reason));
  if (!producer->client_) return config_failure(reason);
  (void)conf.release();
  producer->poll_thread_ = std::thread([raw = producer.get()] { raw->poll_loop(); });
  return producer;
}

Producer::Producer(rd_kafka_conf_t* conf) {
  rd_kafka_conf_set_opaque(conf, this);
  rd_kafka_conf_set_dr_msg_cb(conf, &Producer::on_delivery);
}

Producer::~Producer() { close(); }

std::optional<KafkaFailure> Producer::send(const OutgoingRecord& record) {
  if (closing_) return KafkaFailure{.code = "PRODUCER_CLOSED", .message = "the producer is closed"};
  ++sent_;
  const ErrorHandle error = produce(client_.get(), record, nullptr);
  if (!error) return std::nullopt;
  --sent_;
  return classify(rd_kafka_error_code(error.get()), ErrorContext::kProduce,
                  record.topic + ": " + rd_kafka_error_string(error.get()));
}

std::optional<KafkaFailure> Producer::flush(int64_t timeout_ms) {
  // The poll thread may serve the callbacks first; flush() only hurries what waits for its batch.
  const rd_kafka_resp_err_t error = rd_kafka_flush(client_.get(), static_cast<int>(timeout_ms));
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(std::min<int64_t>(timeout_ms, 1'000));
  while (error == RD_KAFKA_RESP_ERR_NO_ERROR && queued() != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const std::lock_guard lock(mutex_);
  if (first_failure_) return std::exchange(first_failure_, std::nullopt);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR && queued() == 0) return std::nullopt;
  return classify(
      RD_KAFKA_RESP_ERR__TIMED_OUT, ErrorContext::kProduce,
      std::to_string(queued()) + " records were not acknowledged within " + std::to_string(timeout_ms) + " ms");
}

void Producer::close() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
  }
  closing_ = true;
  if (poll_thread_.joinable()) poll_thread_.join();
  if (!client_) return;
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(client_.get(), kCloseFlushMs);
  client_.reset();
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
    const std::lock_guard lock(producer->mutex_);
    if (!producer->first_failure_) {
      producer->first_failure_ = classify(message->err, ErrorContext::kProduce, rd_kafka_message_errstr(message));
    }
  }
  ++producer->failed_;
}

}  // namespace laneway
