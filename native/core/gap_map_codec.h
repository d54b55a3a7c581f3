// laneway's own gap map format: an adaptive binary range coder over the settled bits, carried in a string that fits
// Kafka's commit metadata.
//
// Layout: one signature character that names carrier and version and is never valid base64 (so that a Java reader
// drops the string and goes on), then the carried bytes: checksum over (base, length, bits, mean run), a short header,
// coded runs (byte for byte in gap_map_codec.cc). The checksum covers the base: a map that was moved to another offset
// is refused, because reading a wrong map would skip messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/gap_map.h"
#include "core/result.h"

namespace laneway {

// How bits become text. Kafka's limit (offset.metadata.max.bytes) counts UTF-16 code units: base32768 carries 15 bits
// in each, base64 6.
enum class Carrier { kBase32768, kBase64 };

struct EncodedMetadata {
  // UTF-8; empty when the map is empty or when not even one gap fits.
  std::string text;
  // UTF-16 code units of `text`: what the broker's limit counts.
  size_t units = 0;
  // Offsets of the map that the text covers: map.length, or less when the map was cut from the top to fit.
  int64_t covered = 0;
};

// Encodes as long a prefix of `map` as fits into `max_units`; never fails. Always ends on a settled offset when cut.
// One pass over the runs that fit, whatever the map: about a millisecond for 4,096 units.
EncodedMetadata encode_gap_map(const GapMap& map, Carrier carrier, size_t max_units);

// True when `text` begins with the signature of this format (whether it is intact or not).
bool is_laneway_metadata(std::string_view text);

// The longest map that decoding accepts, in offsets: bounds the memory that a hostile string can ask for (2 MiB).
inline constexpr int64_t kMaxGapMapLength = int64_t{1} << 24;

// Treats `text` as hostile: time and memory are bounded by its length and by kMaxGapMapLength, whichever is less.
// Failure codes: METADATA_FOREIGN (no signature), METADATA_CORRUPT (signature, but the rest does not decode, or the
// checksum does not match `base`).
Result<GapMap> decode_gap_map(Offset base, std::string_view text);

}  // namespace laneway
