// See confluent_codec.h.
//
// The text is base64 of one magic byte and a payload; integers are big-endian, `base` is the committed offset and not
// part of it. n is the number of offsets from the base to the highest settled one.
//
//   'l' BitSet v1     n as int16, ceil(n / 8) bytes, lowest bit first, 1 = settled, one extra byte 00
//   'o' BitSet v2     the same with n as int32
//   'n' RunLength v1  lengths of alternating runs as int16, the first run unsettled (0 when the base is settled)
//   'e' RunLength v2  the same as int32
//   'a' 's' 'J' 'p'   zstd over the payload of 'l', 'o', 'n', 'e'
//
// Missing bitset bytes read as zeros and extra ones are ignored, as is an odd trailing byte of run lengths. Lengths are
// taken at face value by the Java library; here a negative or inflated one is corrupt.
#include "core/confluent_codec.h"

#include <algorithm>
#include <string>

#include "core/base64.h"

namespace laneway {

namespace {

constexpr std::string_view kMagic = "lonaseJp";
constexpr int64_t kMaxInt16 = 32'767;
// The zstd twins are tried only when every plain payload has at least this many bytes.
constexpr size_t kMinCompressed = 200;

using Bytes = std::vector<uint8_t>;

Failure corrupt(const std::string& why) { return {"METADATA_CORRUPT", "a Confluent offset map that " + why}; }

void append_big_endian(Bytes& bytes, int64_t value, size_t size) {
  for (size_t i = size; i-- > 0;) bytes.push_back(static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i)));
}

// Signed, as Java reads it.
int64_t read_big_endian(const Bytes& bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | bytes[at + i];
  return size == 2 ? static_cast<int16_t>(value) : static_cast<int32_t>(value);
}

// --- Reading ---------------------------------------------------------------------------------------------------------

Result<GapMap> decode_bits(Offset base, const Bytes& payload, size_t width) {
  if (payload.size() < width) return corrupt("ends before its length");
  const int64_t length = read_big_endian(payload, 0, width);
  if (length < 0 || length > kMaxGapMapLength) return corrupt("claims a length of " + std::to_string(length));
  GapMap map;
  map.base = base;
  map.length = length;
  map.settled.resize(static_cast<size_t>((length + 63) / 64));
  for (int64_t i = 0; i < length; ++i) {
    const size_t at = width + static_cast<size_t>(i / 8);
    if (at >= payload.size()) break;
    if ((payload[at] >> (i % 8) & 1) != 0) map.settled[static_cast<size_t>(i / 64)] |= uint64_t{1} << (i % 64);
  }
  return map;
}

Result<GapMap> decode_runs(Offset base, const Bytes& payload, size_t width) {
  GapMap map;
  map.base = base;
  bool settled = false;
  for (size_t at = 0; at + width <= payload.size(); at += width) {
    const int64_t run = read_big_endian(payload, at, width);
    if (run < 0 || run > kMaxGapMapLength - map.length) return corrupt("claims a run of " + std::to_string(run));
    map.append_run(run, settled);
    settled = !settled;
  }
  return map;
}

// --- Writing ---------------------------------------------------------------------------------------------------------

Bytes encode_bits(const GapMap& map, size_t width) {
  Bytes payload;
  append_big_endian(payload, map.length, width);
  const auto bytes = static_cast<size_t>((map.length + 7) / 8);
  for (size_t i = 0; i < bytes; ++i) payload.push_back(static_cast<uint8_t>(map.settled[i / 8] >> (8 * (i % 8))));
  payload.push_back(0);
  return payload;
}

// nullopt when a run does not fit into the width.
std::optional<Bytes> encode_runs(const GapMap& map, size_t width) {
  Bytes payload;
  const int64_t longest = width == 2 ? kMaxInt16 : INT32_MAX;
  Offset from = map.base;
  bool settled = false;
  while (from <= map.highest()) {
    Offset to = from;
    while (to <= map.highest() && map.is_settled(to) == settled) ++to;
    if (to - from > longest) return std::nullopt;
    append_big_endian(payload, to - from, width);
    from = to;
    settled = !settled;
  }
  return payload;
}

Bytes with_magic(char magic, const Bytes& payload) {
  Bytes bytes{static_cast<uint8_t>(magic)};
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

// The smallest of the encodings that this map has.
Bytes smallest(const GapMap& map, const ZstdFrames& zstd) {
  struct Encoding {
    char plain;
    char compressed;
    Bytes payload;
  };
  std::vector<Encoding> encodings;
  if (map.length <= kMaxInt16) encodings.push_back({'l', 'a', encode_bits(map, 2)});
  encodings.push_back({'o', 's', encode_bits(map, 4)});
  if (auto runs = encode_runs(map, 2)) encodings.push_back({'n', 'J', std::move(*runs)});
  if (auto runs = encode_runs(map, 4)) encodings.push_back({'e', 'p', std::move(*runs)});
  const bool compress = std::all_of(encodings.begin(), encodings.end(),
                                    [](const Encoding& encoding) { return encoding.payload.size() >= kMinCompressed; });
  Bytes best;
  const auto offer = [&best](Bytes bytes) {
    if (best.empty() || bytes.size() < best.size()) best = std::move(bytes);
  };
  for (const Encoding& encoding : encodings) {
    offer(with_magic(encoding.plain, encoding.payload));
    if (!compress) continue;
    const Bytes frame = zstd.compress(encoding.payload);
    if (!frame.empty()) offer(with_magic(encoding.compressed, frame));
  }
  return best;
}

}  // namespace

bool is_confluent_metadata(std::string_view text) {
  const auto bytes = decode_base64(text);
  return bytes && !bytes->empty() && kMagic.find(static_cast<char>(bytes->front())) != std::string_view::npos;
}

EncodedMetadata encode_confluent_map(const GapMap& map, const ZstdFrames& zstd, size_t max_units) {
  // Bisects the length: how much a prefix takes cannot be told without encoding it.
  GapMap prefix = map.length > kMaxGapMapLength ? map.prefix(kMaxGapMapLength) : map;
  EncodedMetadata best;
  int64_t low = 0;
  int64_t high = prefix.length + 1;
  for (int64_t length = prefix.length; length > low; length = low + (high - low) / 2) {
    const GapMap candidate = prefix.prefix(length);
    std::string text = candidate.empty() ? "" : encode_base64(smallest(candidate, zstd));
    if (text.size() <= max_units) {
      best.units = text.size();
      best.text = std::move(text);
      best.covered = candidate.length;
      low = length;
    } else {
      high = length;
    }
  }
  return best;
}

Result<GapMap> decode_confluent_map(Offset base, std::string_view text, const ZstdFrames& zstd) {
  const auto bytes = decode_base64(text);
  if (!bytes || bytes->empty()) return Failure{"METADATA_FOREIGN", "metadata that is not base64"};
  const char magic = static_cast<char>(bytes->front());
  if (kMagic.find(magic) == std::string_view::npos) {
    return Failure{"METADATA_FOREIGN",
                   "metadata with an unknown first byte: " + std::to_string(static_cast<uint8_t>(magic))};
  }
  Bytes payload(bytes->begin() + 1, bytes->end());
  if (std::string_view("asJp").find(magic) != std::string_view::npos) {
    auto plain = zstd.decompress(payload.data(), payload.size(), static_cast<size_t>(kMaxGapMapLength) * 4);
    if (!plain) return corrupt("does not decompress");
    payload = std::move(*plain);
  }
  switch (magic) {
    case 'l':
    case 'a':
      return decode_bits(base, payload, 2);
    case 'o':
    case 's':
      return decode_bits(base, payload, 4);
    case 'n':
    case 'J':
      return decode_runs(base, payload, 2);
    default:
      return decode_runs(base, payload, 4);
  }
}

}  // namespace laneway
