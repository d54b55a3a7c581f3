// The commit metadata of Confluent's Java Parallel Consumer 0.5.3.x, read and written. The layout is documented at the
// top of confluent_codec.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/gap_map.h"
#include "core/gap_map_codec.h"
#include "core/result.h"

namespace laneway {

// zstd as this format needs it, given by the caller because core has no dependencies (native/zstd implements it).
class ZstdFrames {
 public:
  virtual ~ZstdFrames() = default;
  virtual std::vector<uint8_t> compress(const std::vector<uint8_t>& plain) const = 0;
  // nullopt when `frame` is not a zstd frame or its content is longer than `max_size`.
  virtual std::optional<std::vector<uint8_t>> decompress(const uint8_t* frame, size_t size, size_t max_size) const = 0;
};

// True when `text` is base64 whose first byte is one of this format's magic bytes.
bool is_confluent_metadata(std::string_view text);

// Chooses the smallest of the encodings, as the Java library does. When even that exceeds `max_units`, cuts the map
// from the top until it fits. An empty map gives an empty text.
EncodedMetadata encode_confluent_map(const GapMap& map, const ZstdFrames& zstd, size_t max_units);

// Treats `text` as hostile. Failure codes: METADATA_FOREIGN (not base64, or an unknown magic byte), METADATA_CORRUPT.
Result<GapMap> decode_confluent_map(Offset base, std::string_view text, const ZstdFrames& zstd);

}  // namespace laneway
