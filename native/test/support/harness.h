// One dispatcher with its intake, and short words for what the tests do with it: put messages in, take them out, settle
// them by what was taken. Everything is copied into plain values, so that a test reads as a story.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/dispatcher.h"
#include "test/support/batch_view.h"

namespace laneway {

using MaybeText = std::optional<std::string>;

// A message to put in.
struct Sent {
  Offset offset;
  MaybeText key;
  MaybeText value = "v";
  std::string headers = {};
};

// A message taken out.
struct Taken {
  uint64_t lease;
  uint32_t slot;
  PartitionId partition;
  size_t run;
  Offset offset;
  uint32_t attempt;
  int64_t timestamp_ms;
  MaybeText key;
  MaybeText value;
  std::string headers;
};

inline IncomingMessage to_incoming(const Sent& sent) {
  static constexpr char kEmpty = 0;
  const auto data = [](const MaybeText& text) -> const void* {
    if (!text) return nullptr;
    return text->empty() ? &kEmpty : text->data();
  };
  return {.offset = sent.offset,
          .timestamp_ms = sent.offset + 7,
          .key = data(sent.key),
          .value = data(sent.value),
          .key_size = static_cast<uint32_t>(sent.key ? sent.key->size() : 0),
          .value_size = static_cast<uint32_t>(sent.value ? sent.value->size() : 0),
          .headers = std::as_bytes(std::span(sent.headers))};
}

inline std::vector<Taken> read_batch(const std::vector<std::byte>& bytes) {
  const BatchView batch(bytes.data());
  std::vector<Taken> taken;
  const auto copy = [](std::optional<std::string_view> text) { return text ? MaybeText(*text) : std::nullopt; };
  for (size_t run = 0; run < batch.runs(); ++run) {
    for (size_t i = batch.run_start(run); i < batch.run_start(run + 1); ++i) {
      taken.push_back({batch.lease(i), batch.slot(i), batch.run_partition(run), run, batch.offset(i), batch.attempt(i),
                       batch.timestamp_ms(i), copy(batch.key(i)), copy(batch.value(i)), std::string(batch.headers(i))});
    }
  }
  return taken;
}

inline std::vector<Offset> offsets_of(const std::vector<Taken>& taken) {
  std::vector<Offset> offsets;
  for (const Taken& message : taken) offsets.push_back(message.offset);
  return offsets;
}

// The messages of one offset range, all with the same key.
inline std::vector<Sent> sent_range(Offset from, Offset to, const MaybeText& key, const std::string& value = "v") {
  std::vector<Sent> sent;
  for (Offset offset = from; offset < to; ++offset) sent.push_back({offset, key, value});
  return sent;
}

class Harness {
 public:
  static constexpr size_t kAll = 100'000;
  static constexpr size_t kAnyBytes = size_t{1} << 29;

  explicit Harness(const DispatcherOptions& options = {}) : dispatcher(options), intake(dispatcher) {
    dispatcher.attach(taker, [this] { ++rings; });
  }

  uint64_t assign(PartitionId partition = 0, const std::optional<GapMap>& map = std::nullopt) {
    return dispatcher.assign(partition, map);
  }
  // Puts in as many as there is room for, in one batch; returns how many that were.
  size_t put(const std::vector<Sent>& messages, PartitionId partition = 0) {
    intake.open(partition, dispatcher.epoch(partition));
    size_t added = 0;
    while (added < messages.size() && intake.add(to_incoming(messages[added]))) ++added;
    published = intake.publish();
    return added;
  }
  std::vector<Taken> take(size_t max_messages = kAll, size_t max_bytes = kAnyBytes, size_t max_run = kAll) {
    return take_with(taker, max_messages, max_bytes, max_run);
  }
  // As an engine whose handlers end at once.
  std::vector<Taken> take_sequentially(size_t max_messages = kAll) {
    return take_with(taker, max_messages, kAnyBytes, kAll, true);
  }
  std::vector<Taken> take_with(Taker& by, size_t max_messages = kAll, size_t max_bytes = kAnyBytes,
                               size_t max_run = kAll, bool sequential = false) {
    if (dispatcher.take(by, max_messages, max_bytes, max_run, sequential) == 0) return {};
    std::vector<std::byte> bytes(by.batch_bytes());
    by.write(bytes.data());
    dispatcher.end_copy();
    return read_batch(bytes);
  }
  // What the dispatcher has of a leased message: nothing, where its lease is gone.
  std::vector<Taken> read(const Taken& message) {
    if (!dispatcher.read(taker, message.lease, message.slot)) return {};
    std::vector<std::byte> bytes(taker.batch_bytes());
    taker.write(bytes.data());
    dispatcher.end_copy();
    return read_batch(bytes);
  }
  void settle(const Taken& message, Outcome outcome = Outcome::kCompleted, uint32_t delay_ms = 0) {
    const Settlement settlement{message.lease, message.slot, delay_ms, outcome};
    dispatcher.settle({&settlement, 1}, now_ms);
  }
  void settle_all(const std::vector<Taken>& messages, Outcome outcome = Outcome::kCompleted) {
    for (const Taken& message : messages) settle(message, outcome);
  }
  void advance_to(int64_t to_ms) {
    now_ms = to_ms;
    dispatcher.advance(now_ms);
  }
  Offset committable(PartitionId partition = 0) const {
    const auto snapshot = dispatcher.snapshot(partition);
    return snapshot ? snapshot->map.base : -1;
  }
  PartitionStats stats_of(PartitionId partition) const {
    for (const PartitionStats& stats : dispatcher.stats().partitions) {
      if (stats.partition == partition) return stats;
    }
    return {};
  }

  Dispatcher dispatcher;
  Intake intake;
  Taker taker;
  int rings = 0;
  int64_t now_ms = 1'000;
  bool published = true;
};

}  // namespace laneway
