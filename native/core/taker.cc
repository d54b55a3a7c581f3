// Writes a batch in the layout of batch_layout.h; see dispatcher.h for when it may.
#include <cstring>

#include "core/dispatcher.h"

namespace laneway {

namespace {

template <typename T>
T* column(std::byte* base, size_t position) {
  return reinterpret_cast<T*>(base + position);
}

}  // namespace

void Taker::clear(uint64_t first_lease) {
  picked_.clear();
  run_starts_.clear();
  run_partitions_.clear();
  payload_bytes_ = 0;
  any_failed_ = false;
  first_lease_ = first_lease;
}

void Taker::write(std::byte* to, int64_t epoch_ms) const {
  const BatchLayout at = layout();
  column<uint32_t>(to, 0)[0] = static_cast<uint32_t>(at.messages);
  column<uint32_t>(to, 0)[1] = static_cast<uint32_t>(at.runs);
  *column<double>(to, 8) = static_cast<double>(first_lease_);
  column<uint32_t>(to, 16)[0] = any_failed_ ? 1 : 0;
  column<uint32_t>(to, 16)[1] = 0;

  auto* offsets = column<double>(to, at.offsets());
  auto* timestamps = column<double>(to, at.timestamps());
  auto* slots = column<uint32_t>(to, at.slots());
  auto* data = column<uint32_t>(to, at.data());
  auto* key_sizes = column<int32_t>(to, at.key_sizes());
  auto* value_sizes = column<int32_t>(to, at.value_sizes());
  auto* header_sizes = column<uint32_t>(to, at.header_sizes());
  auto* attempts = column<uint32_t>(to, at.attempts());

  size_t position = at.payload();
  for (size_t i = 0; i < picked_.size(); ++i) {
    const Picked& message = picked_[i];
    if (i + 8 < picked_.size()) __builtin_prefetch(picked_[i + 8].data);
    offsets[i] = static_cast<double>(message.offset);
    timestamps[i] = static_cast<double>(message.timestamp_ms);
    slots[i] = message.slot;
    data[i] = static_cast<uint32_t>(position);
    key_sizes[i] = message.key_size;
    value_sizes[i] = message.value_size;
    header_sizes[i] = message.header_size;
    attempts[i] = message.attempt;
    const size_t size = static_cast<size_t>(message.key_size > 0 ? message.key_size : 0) +
                        static_cast<size_t>(message.value_size > 0 ? message.value_size : 0) + message.header_size;
    if (size != 0) std::memcpy(to + position, message.data, size);
    position += size;
  }

  if (any_failed_) {
    auto* first_failures = column<double>(to, at.first_failures());
    for (size_t i = 0; i < picked_.size(); ++i) {
      const int64_t at_ms = picked_[i].first_failure_ms;
      first_failures[i] = at_ms < 0 ? -1 : static_cast<double>(at_ms + epoch_ms);
    }
  }

  auto* run_starts = column<uint32_t>(to, at.run_starts());
  for (size_t i = 0; i < run_starts_.size(); ++i) run_starts[i] = run_starts_[i];
  run_starts[run_starts_.size()] = static_cast<uint32_t>(picked_.size());
  auto* run_partitions = column<uint32_t>(to, at.run_partitions());
  for (size_t i = 0; i < run_partitions_.size(); ++i) run_partitions[i] = run_partitions_[i];
}

}  // namespace laneway
