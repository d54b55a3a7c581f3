// zstd for the Confluent codec: frames as the Java library writes them (streaming, so without a content size).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/confluent_codec.h"

namespace laneway {

class ZstdFrameCodec final : public ZstdFrames {
 public:
  std::vector<uint8_t> compress(const std::vector<uint8_t>& plain) const override;
  std::optional<std::vector<uint8_t>> decompress(const uint8_t* frame, size_t size, size_t max_size) const override;
};

}  // namespace laneway
