// Reads a batch as Taker::write wrote it, the way the addon's JavaScript side does: by the positions of batch_layout.h
// and from the bytes alone. It owns nothing and allocates nothing, because the simulation reads every batch with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/batch_layout.h"
#include "core/gap_map.h"

namespace laneway {

class BatchView {
 public:
  // `bytes` must stay where it is.
  explicit BatchView(const std::byte* bytes)
      : bytes_(bytes),
        at_{read<uint32_t>(0), read<uint32_t>(4), read<uint32_t>(16) != 0},
        first_lease_(read<double>(8)) {}

  size_t messages() const { return at_.messages; }
  size_t runs() const { return at_.runs; }
  size_t payload() const { return at_.payload(); }
  size_t run_start(size_t run) const { return read<uint32_t>(at_.run_starts() + 4 * run); }
  uint32_t run_partition(size_t run) const { return read<uint32_t>(at_.run_partitions() + 4 * run); }

  uint64_t lease(size_t i) const { return static_cast<uint64_t>(first_lease_) + i; }
  Offset offset(size_t i) const { return static_cast<Offset>(read<double>(at_.offsets() + 8 * i)); }
  int64_t timestamp_ms(size_t i) const { return static_cast<int64_t>(read<double>(at_.timestamps() + 8 * i)); }
  // -1: none.
  int64_t first_failure_ms(size_t i) const {
    return at_.any_failed ? static_cast<int64_t>(read<double>(at_.first_failures() + 8 * i)) : -1;
  }
  uint32_t slot(size_t i) const { return read<uint32_t>(at_.slots() + 4 * i); }
  uint32_t attempt(size_t i) const { return read<uint32_t>(at_.attempts() + 4 * i); }
  std::optional<std::string_view> key(size_t i) const { return part(data(i), key_size(i)); }
  std::optional<std::string_view> value(size_t i) const {
    return part(data(i) + positive(key_size(i)), read<int32_t>(at_.value_sizes() + 4 * i));
  }
  std::string_view headers(size_t i) const {
    const size_t position = data(i) + positive(key_size(i)) + positive(read<int32_t>(at_.value_sizes() + 4 * i));
    return *part(position, static_cast<int32_t>(read<uint32_t>(at_.header_sizes() + 4 * i)));
  }
  size_t data(size_t i) const { return read<uint32_t>(at_.data() + 4 * i); }

 private:
  template <typename T>
  T read(size_t position) const {
    T value;
    std::memcpy(&value, bytes_ + position, sizeof value);
    return value;
  }
  static size_t positive(int32_t size) { return size > 0 ? static_cast<size_t>(size) : 0; }
  int32_t key_size(size_t i) const { return read<int32_t>(at_.key_sizes() + 4 * i); }
  std::optional<std::string_view> part(size_t position, int32_t size) const {
    if (size < 0) return std::nullopt;
    return std::string_view(reinterpret_cast<const char*>(bytes_ + position), static_cast<size_t>(size));
  }

  const std::byte* bytes_;
  BatchLayout at_;
  double first_lease_;
};

}  // namespace laneway
