// See ingest.h.
#include "kafka/ingest.h"

#include <algorithm>
#include <chrono>

#include "kafka/record_headers.h"

namespace laneway {

namespace {

constexpr size_t kBatch = 2'048;
// Batches of one partition before the next one has its turn.
constexpr int kTurn = 4;
// Queues are looked at this often even if nobody called: after a rebalance a queue may drop stale messages and be
// filled again without a new call.
constexpr int64_t kIdleWaitMs = 50;

}  // namespace

// One partition's queue. Used by the ingest thread alone but for `called` and `blocked`.
struct Ingest::Source {
  Ingest* ingest;
  PartitionId partition;
  uint64_t epoch;
  rd_kafka_queue_t* queue;
  std::atomic<bool> called = true;
  std::vector<rd_kafka_message_t*> pending;
  size_t next_pending = 0;
  MalformedHeaders malformed_headers;

  ~Source() {
    for (size_t i = next_pending; i < pending.size(); ++i) rd_kafka_message_destroy(pending[i]);
    rd_kafka_queue_destroy(queue);
  }
};

Ingest::Ingest(Dispatcher& dispatcher, std::function<int64_t()> now_ms, ErrorListener on_error)
    : dispatcher_(dispatcher), now_ms_(std::move(now_ms)), on_error_(std::move(on_error)), intake_(dispatcher) {
  dispatcher_.set_space_listener([this] { wake(); });
}

Ingest::~Ingest() { stop(); }

void Ingest::start() {
  thread_ = std::thread([this] { run(); });
}

void Ingest::stop() {
  {
    const std::lock_guard lock(wake_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  dispatcher_.set_space_listener(nullptr);
  for (const auto& source : sources()) remove(source->partition);
}

void Ingest::add(PartitionId partition, uint64_t epoch, rd_kafka_queue_t* queue) {
  auto source = std::make_shared<Source>();
  source->ingest = this;
  source->partition = partition;
  source->epoch = epoch;
  source->queue = queue;
  rd_kafka_queue_cb_event_enable(
      queue,
      [](rd_kafka_t*, void* opaque) {
        auto* called = static_cast<Source*>(opaque);
        called->called.store(true, std::memory_order_release);
        called->ingest->wake();
      },
      source.get());
  {
    const std::lock_guard lock(partitions_mutex_);
    partitions_.push_back(std::move(source));
  }
  wake();
}

void Ingest::remove(PartitionId partition) {
  std::shared_ptr<Source> source;
  {
    const std::lock_guard lock(partitions_mutex_);
    const auto found = std::find_if(partitions_.begin(), partitions_.end(),
                                    [&](const auto& other) { return other->partition == partition; });
    if (found == partitions_.end()) return;
    source = std::move(*found);
    partitions_.erase(found);
  }
  // The ingest thread may be in the middle of a batch of it; the last one to let go frees it.
  rd_kafka_queue_cb_event_enable(source->queue, nullptr, nullptr);
}

void Ingest::wake() {
  {
    const std::lock_guard lock(wake_mutex_);
    if (woken_) return;
    woken_ = true;
  }
  wake_.notify_one();
}

void Ingest::run() {
  while (true) {
    bool more = false;
    for (const auto& source : sources()) more = drain(*source) || more;
    // After the drain, which may have made lanes that linger.
    const int64_t next_timer_ms = dispatcher_.advance(now_ms_());
    if (!more && !wait(next_timer_ms)) return;
    const std::lock_guard lock(wake_mutex_);
    if (stopping_) return;
  }
}

// Sleeps until woken, a timer is due, or it is time to look anyway. False when stopping.
bool Ingest::wait(int64_t next_timer_ms) {
  int64_t most_ms = kIdleWaitMs;
  if (next_timer_ms >= 0) most_ms = std::clamp<int64_t>(next_timer_ms - now_ms_(), 0, kIdleWaitMs);
  std::unique_lock lock(wake_mutex_);
  const bool called = wake_.wait_for(lock, std::chrono::milliseconds(most_ms), [this] { return woken_ || stopping_; });
  woken_ = false;
  if (stopping_) return false;
  lock.unlock();
  if (!called) {
    for (const auto& source : sources()) source->called.store(true, std::memory_order_release);
  }
  return true;
}

std::vector<std::shared_ptr<Ingest::Source>> Ingest::sources() const {
  const std::lock_guard lock(partitions_mutex_);
  return partitions_;
}

// One turn of a partition. True when there is, or may be, more to do at once.
bool Ingest::drain(Source& source) {
  for (int turn = 0; turn < kTurn; ++turn) {
    const bool has_pending = source.next_pending < source.pending.size();
    if (!has_pending && !source.called.exchange(false, std::memory_order_acq_rel)) return false;
    const size_t room = intake_.open(source.partition, source.epoch);
    if (room == 0) {
      // Looked at again when there is space.
      source.called.store(true, std::memory_order_release);
      return false;
    }
    if (!has_pending && !fetch(source, room)) return false;
    accept(source);
  }
  return true;
}

// Gets up to `most` messages from the queue. False when there are none now.
bool Ingest::fetch(Source& source, size_t most) {
  source.pending.resize(std::min(most, kBatch));
  source.next_pending = 0;
  const ssize_t count = rd_kafka_consume_batch_queue(source.queue, 0, source.pending.data(), source.pending.size());
  source.pending.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  // Where it filled the batch there is probably more; a queue that dropped stale messages is looked at again, too.
  const bool more = source.pending.size() == std::min(most, kBatch) || rd_kafka_queue_length(source.queue) > 0;
  if (more) source.called.store(true, std::memory_order_release);
  return !source.pending.empty();
}

// Copies what is pending into the dispatcher, as far as it has room.
void Ingest::accept(Source& source) {
  while (source.next_pending < source.pending.size()) {
    rd_kafka_message_t* message = source.pending[source.next_pending];
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      handle_error(source, *message);
    } else {
      const HeadersRead headers = read_headers(*message, headers_);
      if (headers == HeadersRead::kMalformed) warn_of_headers(source, *message);
      rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
      const int64_t timestamp_ms = rd_kafka_message_timestamp(message, &kind);
      const IncomingMessage incoming{
          .offset = message->offset,
          .timestamp_ms = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp_ms,
          .key = message->key,
          .value = message->payload,
          .key_size = static_cast<uint32_t>(message->key_len),
          .value_size = static_cast<uint32_t>(message->len),
          .headers =
              headers == HeadersRead::kRead ? std::span<const std::byte>(headers_) : std::span<const std::byte>(),
      };
      if (message->offset > kMaxOffset) {
        on_error_({.code = "OFFSET_TOO_LARGE",
                   .message = "offset " + std::to_string(message->offset) + " is above 2^53 - 1",
                   .fatal = true});
        break;
      }
      if (!intake_.add(incoming)) break;
    }
    rd_kafka_message_destroy(message);
    ++source.next_pending;
  }
  if (!intake_.publish()) on_error_(internal_failure("a message did not fit into the tracker's window"));
}

// The message is handed over without its headers: key, value and offset are sound, and whether it is of use is the
// handler's to say.
void Ingest::warn_of_headers(Source& source, const rd_kafka_message_t& message) {
  ++malformed_headers_;
  const uint64_t count = source.malformed_headers.add(now_ms_());
  if (count == 0) return;
  on_error_(classify(RD_KAFKA_RESP_ERR__BAD_MSG, ErrorContext::kConsumer,
                     std::string(rd_kafka_topic_name(message.rkt)) + " [" + std::to_string(message.partition) +
                         "] at offset " + std::to_string(message.offset) +
                         ": the headers do not decode, the message is handed over without them (such messages since "
                         "the last warning: " +
                         std::to_string(count) + ")"));
}

void Ingest::handle_error(Source& source, const rd_kafka_message_t& message) {
  if (message.err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    on_error_(classify(message.err, ErrorContext::kConsumer, rd_kafka_message_errstr(&message)));
    return;
  }
  // What was added before it is below the end: first things first.
  intake_.publish();
  dispatcher_.reach_end(source.partition, source.epoch, message.offset);
  intake_.open(source.partition, source.epoch);
}

}  // namespace laneway
