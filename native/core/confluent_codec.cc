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
// taken at face value by the Java library; here a negative or inflated one is corrupt, and so is a frame that unpacks
// to more than any map needs.
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
// What a frame may unpack to: the longest bitset has 2 MiB, and 4 MiB hold a million runs. Java has no bound; a frame
// of 2,000 bytes could hold 64 MiB, which took 330 ms.
constexpr size_t kMaxPayload = size_t{4} << 20;
// A cut may fall short of the longest prefix that fits by this share, which saves half of the tries.
constexpr int64_t kCutShare = 256;

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

// Every offset of the map must be one.
bool is_in_range(Offset base, int64_t length) { return base >= 0 && base <= kMaxOffset && length <= kMaxOffset - base; }

Failure too_long(const char* what, int64_t seen, int64_t most) {
  return corrupt("claims a " + std::string(what) + " of " + std::to_string(seen) + ", where 0 to " +
                 std::to_string(most) + " are possible");
}

Result<GapMap> decode_bits(Offset base, const Bytes& payload, size_t width) {
  if (payload.size() < width) {
    return corrupt("has " + std::to_string(payload.size()) + " bytes, but needs " + std::to_string(width) +
                   " for its length");
  }
  const int64_t length = read_big_endian(payload, 0, width);
  if (length < 0 || length > kMaxGapMapLength) return too_long("length", length, kMaxGapMapLength);
  GapMap map;
  map.base = base;
  map.length = length;
  map.settled.resize(static_cast<size_t>((length + 63) / 64));
  const size_t bytes = std::min(payload.size() - width, static_cast<size_t>((length + 7) / 8));
  for (size_t i = 0; i < bytes; ++i) map.settled[i / 8] |= uint64_t{payload[width + i]} << (8 * (i % 8));
  if (length % 64 != 0) map.settled.back() &= (uint64_t{1} << (length % 64)) - 1;
  return map;
}

Result<GapMap> decode_runs(Offset base, const Bytes& payload, size_t width) {
  GapMap map;
  map.base = base;
  bool settled = false;
  for (size_t at = 0; at + width <= payload.size(); at += width) {
    const int64_t run = read_big_endian(payload, at, width);
    if (run < 0 || run > kMaxGapMapLength - map.length) return too_long("run", run, kMaxGapMapLength - map.length);
    map.append_run(run, settled);
    settled = !settled;
  }
  return map;
}

Result<GapMap> decode_payload(Offset base, char magic, const Bytes& payload) {
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
  bool settled = false;
  for (int64_t at = 0; at < map.length; settled = !settled) {
    // The first run is an unsettled one, of no offsets when the base is settled.
    const bool is_absent = at == 0 && !settled && map.is_settled(map.base);
    const int64_t run = is_absent ? 0 : map.run_at(at);
    if (run > longest) return std::nullopt;
    append_big_endian(payload, run, width);
    at += run;
  }
  return payload;
}

Bytes with_magic(char magic, const Bytes& payload) {
  Bytes bytes;
  bytes.reserve(payload.size() + 1);
  bytes.push_back(static_cast<uint8_t>(magic));
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
  if (map.length > kMaxGapMapLength) return encode_confluent_map(map.prefix(kMaxGapMapLength), zstd, max_units);
  EncodedMetadata best;
  // How much a prefix takes cannot be told without encoding it: bisects the length. Bounds far from each other are
  // brought together by what the last try took, as if all offsets took the same, a little less and more.
  int64_t low = 0;
  int64_t high = map.length + 1;
  // Begins with what would fit as a plain bitset: encoding a million runs to learn that they do not fit took 60 ms.
  const auto all = static_cast<size_t>(map.length);
  for (int64_t length = max_units > all / 6 ? map.length : static_cast<int64_t>(6 * max_units); length > low;) {
    // The whole map as it is; a part of it only up to a settled offset.
    const GapMap part = length == map.length ? map : map.prefix(length);
    std::string text = part.empty() ? "" : encode_base64(smallest(part, zstd));
    const double share = static_cast<double>(max_units) / static_cast<double>(std::max<size_t>(text.size(), 1));
    const bool fits = text.size() <= max_units;
    (fits ? low : high) = length;
    if (fits) best = {.text = std::move(text), .units = 0, .covered = part.length};
    if (high - low <= std::max<int64_t>(low / kCutShare, 1)) break;
    const double aim = static_cast<double>(length) * share * (fits ? 1.002 : 0.998);
    const int64_t margin = (high - low) / 16;
    const bool is_useful = aim > static_cast<double>(low + margin) && aim < static_cast<double>(high - margin);
    const bool is_whole = high > map.length && aim >= static_cast<double>(high - margin);
    length = is_whole ? map.length : (is_useful ? static_cast<int64_t>(aim) : low + (high - low) / 2);
  }
  best.units = best.text.size();
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
    auto plain = zstd.decompress(payload.data(), payload.size(), kMaxPayload);
    if (!plain) {
      return corrupt("holds " + std::to_string(payload.size()) + " bytes that are not one zstd frame of at most " +
                     std::to_string(kMaxPayload));
    }
    payload = std::move(*plain);
  }
  auto map = decode_payload(base, magic, payload);
  if (map && !is_in_range(base, map->length)) {
    return corrupt("covers " + std::to_string(map->length) + " offsets from " + std::to_string(base) +
                   ", which leaves the range of 0 to " + std::to_string(kMaxOffset));
  }
  return map;
}

}  // namespace laneway
