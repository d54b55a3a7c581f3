// What the simulated producers send: keys, sizes, and bytes that name their record, so that a message whose bytes were
// mixed up with another's, or moved wrongly, is seen when it is taken.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/dispatcher.h"
#include "test/simulation/random.h"

namespace laneway::simulation {

constexpr int kNullKey = -1;

// All that identifies a message and its bytes; copied into the log, into the model and into the dispatcher.
struct Record {
  Offset offset;
  uint64_t id;         // never given twice in a history
  int32_t value_size;  // -1: null
  uint16_t header_size;
  int16_t key;                 // index into the keys; kNullKey
  bool settled = false;        // by anyone, ever
  bool awaits_letter = false;  // withheld, and its dead letter is not acknowledged
  bool wants_output = false;   // its last settlement is to be seen with an output
  uint8_t outputs = 0;         // that readers of committed data see
};

class Traffic {
 public:
  explicit Traffic(Random& random) {
    const int64_t count = random.between(1, 12);
    // The first is the empty key, which is not the null key.
    for (int64_t i = 0; i < count; ++i) keys_.emplace_back(static_cast<size_t>(i), static_cast<char>('a' + i));
    null_percent_ = random.chance(30) ? 30 : 0;
    hot_percent_ = random.chance(30) ? 80 : 0;
    // Up to a size that lives alone.
    largest_value_ = random.chance(10) ? 3'000 : 40;
  }

  // Values of which a few fill a slab, but for those of messages that stall: many of them pin many slabs.
  void fill_slabs() {
    smallest_value_ = 600;
    largest_value_ = 1'000;
    stalled_are_small_ = true;
  }
  // In a history with stalls, the messages that fail again and again.
  static bool stalls(Offset offset) { return offset % 8 == 0; }

  Record make(Random& random, Offset offset) {
    Record record{offset, ++last_id_, -1, 0, kNullKey};
    const size_t what = random.below(100);
    if (what >= 4) record.value_size = static_cast<int32_t>(random.between(smallest_value_, largest_value_));
    if (stalled_are_small_ && stalls(offset)) record.value_size = 10;
    if (what >= 80) record.header_size = static_cast<uint16_t>(random.below(30));
    if (!random.chance(null_percent_)) {
      record.key = static_cast<int16_t>(random.chance(hot_percent_) ? 0 : random.below(keys_.size()));
    }
    return record;
  }

  // The pointers stay valid until the next call.
  IncomingMessage incoming(const Record& record) {
    const std::string_view bytes = write(record);
    const std::string_view key = key_of(record).value_or(std::string_view());
    return {.offset = record.offset,
            .timestamp_ms = static_cast<int64_t>(record.id),
            .key = record.key == kNullKey ? nullptr : key.data(),
            .value = record.value_size < 0 ? nullptr : bytes.data(),
            .key_size = static_cast<uint32_t>(key.size()),
            .value_size = static_cast<uint32_t>(value_size(record)),
            .headers = std::as_bytes(std::span(bytes).subspan(value_size(record)))};
  }

  std::optional<std::string_view> key_of(const Record& record) const {
    if (record.key == kNullKey) return std::nullopt;
    return keys_[static_cast<size_t>(record.key)];
  }
  // The value's bytes, then the headers'. Valid until the next call.
  std::string_view write(const Record& record) {
    const size_t size = value_size(record) + record.header_size;
    if (scratch_.size() < size) scratch_.resize(size);
    std::memset(scratch_.data(), static_cast<int>('A' + record.id % 53), value_size(record));
    std::memset(scratch_.data() + value_size(record), static_cast<int>('!' + record.id % 29), record.header_size);
    std::memcpy(scratch_.data(), &record.id, std::min(size, sizeof record.id));
    return {scratch_.data(), size};
  }

  size_t size_of(const Record& record) const {
    return key_of(record).value_or(std::string_view()).size() + value_size(record) + record.header_size;
  }
  size_t keys() const { return keys_.size(); }
  size_t largest_message() const { return keys_.size() + static_cast<size_t>(largest_value_) + 30; }

  static size_t value_size(const Record& record) {
    return record.value_size < 0 ? 0 : static_cast<size_t>(record.value_size);
  }

 private:
  std::vector<std::string> keys_;
  unsigned null_percent_;
  unsigned hot_percent_;
  int32_t smallest_value_ = 0;
  int32_t largest_value_;
  bool stalled_are_small_ = false;
  uint64_t last_id_ = 0;
  std::string scratch_ = std::string(64, '\0');
};

}  // namespace laneway::simulation
