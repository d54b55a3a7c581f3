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
// All queues are looked at when nothing was due for so long: after a rebalance a queue may drop stale messages and be
// filled again without a new call.
constexpr int64_t kIdleWaitMs = 50;

}  // namespace

// One partition's queue. Used by the ingest thread alone but for `is_due`, which mutex_ guards.
struct Ingest::Source {
  Ingest* ingest;
  PartitionId partition;
  uint64_t epoch;
  rd_kafka_queue_t* queue;
  bool is_due = false;
  std::vector<rd_kafka_message_t*> pending;
  size_t next_pending = 0;
  MalformedHeaders malformed_headers;

  bool has_pending() const { return next_pending < pending.size(); }

  ~Source() {
    for (size_t i = next_pending; i < pending.size(); ++i) rd_kafka_message_destroy(pending[i]);
    rd_kafka_queue_destroy(queue);
  }
};

Ingest::Ingest(Dispatcher& dispatcher, std::function<int64_t()> now_ms, ErrorListener on_error)
    : dispatcher_(dispatcher), now_ms_(std::move(now_ms)), on_error_(std::move(on_error)), intake_(dispatcher) {
  dispatcher_.set_space_listener([this](PartitionId partition) { make_due(partition); });
}

Ingest::~Ingest() { stop(); }

void Ingest::start() {
  thread_ = std::thread([this] { run(); });
}

void Ingest::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  dispatcher_.set_space_listener(nullptr);
  while (!sources_.empty()) remove(sources_.begin()->first);
  // Nobody calls any more. What is held here would keep librdkafka from ending.
  due_.clear();
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
        const auto* called = static_cast<const Source*>(opaque);
        called->ingest->make_due(called->partition);
      },
      source.get());
  {
    const std::lock_guard lock(mutex_);
    sources_.insert_or_assign(partition, source);
  }
  // The queue may have been filled before it could call.
  make_due(partition);
}

void Ingest::remove(PartitionId partition) {
  std::shared_ptr<Source> source;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sources_.find(partition);
    if (found == sources_.end()) return;
    source = std::move(found->second);
    sources_.erase(found);
  }
  // The ingest thread may be in the middle of a batch of it; the last one to let go frees it.
  rd_kafka_queue_cb_event_enable(source->queue, nullptr, nullptr);
}

void Ingest::wake() {
  {
    const std::lock_guard lock(mutex_);
    if (woken_) return;
    woken_ = true;
  }
  wake_.notify_one();
}

void Ingest::make_due(PartitionId partition) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = sources_.find(partition);
    if (found == sources_.end() || found->second->is_due) return;
    found->second->is_due = true;
    due_.push_back(found->second);
  }
  wake_.notify_one();
}

void Ingest::run() {
  std::vector<std::shared_ptr<Source>> turn;
  int64_t next_timer_ms = -1;
  while (wait_for_turn(next_timer_ms, turn)) {
    for (const auto& source : turn) {
      if (drain(*source)) make_due(source->partition);
    }
    // After the drain, which may have made lanes that linger.
    next_timer_ms = dispatcher_.advance(now_ms_());
  }
}

// Sleeps until a source is due, somebody wakes it, a timer is due, or it is time to look at all of them. False when
// stopping.
bool Ingest::wait_for_turn(int64_t next_timer_ms, std::vector<std::shared_ptr<Source>>& turn) {
  turn.clear();
  int64_t most_ms = kIdleWaitMs;
  if (next_timer_ms >= 0) most_ms = std::clamp<int64_t>(next_timer_ms - now_ms_(), 0, kIdleWaitMs);
  std::unique_lock lock(mutex_);
  const bool called =
      wake_.wait_for(lock, std::chrono::milliseconds(most_ms), [this] { return woken_ || !due_.empty() || stopping_; });
  woken_ = false;
  if (stopping_) return false;
  if (called) {
    turn.swap(due_);
  } else {
    for (const auto& [partition, source] : sources_) turn.push_back(source);
  }
  for (const auto& source : turn) source->is_due = false;
  return true;
}

// One turn of a partition. True when there is, or may be, more to do at once.
bool Ingest::drain(Source& source) {
  for (int turn = 0; turn < kTurn; ++turn) {
    const size_t room = intake_.open(source.partition, source.epoch);
    // Where it was refused, the space listener makes it due.
    if (room == 0) return false;
    bool more = true;
    if (!source.has_pending()) more = fetch(source, room);
    if (source.has_pending()) accept(source);
    if (!more && !source.has_pending()) return false;
  }
  return true;
}

// Gets up to `most` messages from the queue. True when there may be more in it.
bool Ingest::fetch(Source& source, size_t most) {
  const size_t wanted = std::min(most, kBatch);
  source.pending.resize(wanted);
  source.next_pending = 0;
  const ssize_t count = rd_kafka_consume_batch_queue(source.queue, 0, source.pending.data(), wanted);
  source.pending.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  // Where it filled the batch there is probably more; a queue that dropped stale messages is looked at again, too.
  return source.pending.size() == wanted || rd_kafka_queue_length(source.queue) > 0;
}

// Copies what is pending into the dispatcher, as far as it has room.
void Ingest::accept(Source& source) {
  while (source.has_pending()) {
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
