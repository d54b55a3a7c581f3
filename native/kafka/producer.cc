// See producer.h.
#include "kafka/producer.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace laneway {

namespace {

constexpr int kPollMs = 50;
constexpr int kCloseFlushMs = 1'000;

rd_kafka_headers_t* to_headers(const std::vector<OutgoingHeader>& headers) {
  rd_kafka_headers_t* list = rd_kafka_headers_new(headers.size());
  for (const OutgoingHeader& header : headers) {
    const void* value = header.value ? header.value->data() : nullptr;
    const auto size = static_cast<ssize_t>(header.value ? header.value->size() : 0);
    rd_kafka_header_add(list, header.name.data(), static_cast<ssize_t>(header.name.size()), value, size);
  }
  return list;
}

// librdkafka takes a null pointer for null, so that an empty value needs an address.
rd_kafka_vu_t bytes_of(rd_kafka_vtype_t type, const std::optional<std::span<const std::byte>>& bytes) {
  static const char kEmpty = 0;
  rd_kafka_vu_t unit{};
  unit.vtype = type;
  const void* data = !bytes ? nullptr : (bytes->empty() ? static_cast<const void*>(&kEmpty) : bytes->data());
  unit.u.mem.ptr = const_cast<void*>(data);
  unit.u.mem.size = bytes ? bytes->size() : 0;
  return unit;
}

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
  std::vector<rd_kafka_vu_t> units(5);
  units[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  units[0].u.cstr = record.topic.c_str();
  units[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  units[1].u.i32 = record.partition;
  units[2] = bytes_of(RD_KAFKA_VTYPE_KEY, record.key);
  units[3] = bytes_of(RD_KAFKA_VTYPE_VALUE, record.value);
  units[4].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
  units[4].u.i64 = record.timestamp_ms;
  rd_kafka_vu_t flags{};
  flags.vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  flags.u.i = RD_KAFKA_MSG_F_COPY;
  units.push_back(flags);
  rd_kafka_headers_t* headers = record.headers.empty() ? nullptr : to_headers(record.headers);
  if (headers != nullptr) {
    rd_kafka_vu_t unit{};
    unit.vtype = RD_KAFKA_VTYPE_HEADERS;
    unit.u.headers = headers;
    units.push_back(unit);
  }
  ++sent_;
  const ErrorHandle error(rd_kafka_produceva(client_.get(), units.data(), units.size()));
  if (!error) return std::nullopt;
  --sent_;
  // librdkafka owns the headers only when it has taken the record.
  if (headers != nullptr) rd_kafka_headers_destroy(headers);
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
