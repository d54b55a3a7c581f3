// See gap_map_codec.h for the contract.
//
// The bits are a sequence of runs, settled and unsettled in turn. Each run's length is coded as the power of two below
// it (one adaptive decision per power) and what is left (the three highest bits adaptive, the rest even). For
// independent gaps the lengths are geometric, which these decisions represent almost exactly at any density; for bursts
// they learn what is there. Coding runs rather than bits makes a million offsets cost less than a millisecond.
//
// Coded, in this order: 32 bits of checksum; 5 bits: log2 of the mean settled run, which primes the decisions; the
// number of runs (5 bits for its power of two, and the rest); whether the first run is settled; the runs. The length of
// the map is the sum of the runs.
#include "core/gap_map_codec.h"

#include <algorithm>
#include <array>
#include <bit>

#include "core/base32768.h"
#include "core/base64.h"
#include "core/range_coder.h"

namespace laneway {

namespace {

constexpr char kBase32768Signature = '~';
constexpr char kBase64Signature = '!';
constexpr int kMaxPower = 25;  // runs are at most kMaxGapMapLength = 2^24
constexpr int kAdaptiveBits = 3;
constexpr int kChecksumBits = 32;
// How many decisions the primed chances count for: chosen by measurement (0 and 20 cost more, for short maps and for
// bursts).
constexpr uint16_t kTrust = 8;

// 65536 x (1 - exp(-2^d)) for d = -8 ... 3: the chance that a run of mean 2^k is shorter than 2^(p + 1), given that it
// is at least 2^p, with d = p - k.
constexpr std::array<uint32_t, 12> kShorter = {256,    510,    1'016,  2'016,  3'971,  7'700,
                                               14'496, 25'786, 41'427, 56'667, 64'336, 65'500};

// How the lengths of one kind of run are distributed.
struct RunChances {
  explicit RunChances(int log2_mean) {
    for (int power = 0; power < kMaxPower; ++power) {
      const int at = std::clamp(power - log2_mean + 8, 0, 11);
      shorter[static_cast<size_t>(power)] = Chance(kShorter[static_cast<size_t>(at)], kTrust);
    }
    for (auto& tree : high_bits) tree.fill(Chance(1U << 15, kTrust / 2));
  }
  std::array<Chance, kMaxPower> shorter;
  std::array<std::array<Chance, size_t{1} << kAdaptiveBits>, kMaxPower> high_bits;
};

int power_of(int64_t run) { return 63 - std::countl_zero(static_cast<uint64_t>(run)); }

void code_run(RangeEncoder& encoder, RunChances& chances, int64_t run) {
  const int power = power_of(run);
  for (int i = 0; i < power; ++i) encoder.code(false, chances.shorter[static_cast<size_t>(i)]);
  if (power < kMaxPower) encoder.code(true, chances.shorter[static_cast<size_t>(power)]);
  const int adaptive = std::min(power, kAdaptiveBits);
  size_t node = 1;
  for (int i = power - 1; i >= power - adaptive; --i) {
    const bool bit = (run >> i & 1) != 0;
    encoder.code(bit, chances.high_bits[static_cast<size_t>(power)][node]);
    node = node * 2 + (bit ? 1 : 0);
  }
  encoder.code_bits(static_cast<uint64_t>(run), power - adaptive);
}

// 0 when the input is not one of code_run's.
int64_t decode_run(RangeDecoder& decoder, RunChances& chances) {
  int power = 0;
  while (power < kMaxPower && !decoder.decode(chances.shorter[static_cast<size_t>(power)])) ++power;
  if (power == kMaxPower) return 0;
  const int adaptive = std::min(power, kAdaptiveBits);
  size_t node = 1;
  int64_t run = 1;
  for (int i = 0; i < adaptive; ++i) {
    const bool bit = decoder.decode(chances.high_bits[static_cast<size_t>(power)][node]);
    node = node * 2 + (bit ? 1 : 0);
    run = run * 2 + (bit ? 1 : 0);
  }
  const int rest = power - adaptive;
  return run << rest | static_cast<int64_t>(decoder.decode_bits(rest));
}

// The runs of a map, a word at a time.
class Runs {
 public:
  explicit Runs(const GapMap& map) : map_(map) {}
  bool done() const { return at_ == map_.length; }
  bool settled() const { return (map_.settled[static_cast<size_t>(at_ / 64)] >> (at_ % 64) & 1) != 0; }
  int64_t at() const { return at_; }
  int64_t next() {
    const int64_t from = at_;
    const uint64_t flip = settled() ? ~uint64_t{0} : 0;
    while (at_ < map_.length) {
      const uint64_t other = (map_.settled[static_cast<size_t>(at_ / 64)] ^ flip) >> (at_ % 64);
      if (other != 0) {
        at_ += std::countr_zero(other);
        break;
      }
      at_ = (at_ / 64 + 1) * 64;
    }
    at_ = std::min(at_, map_.length);
    return at_ - from;
  }

 private:
  const GapMap& map_;
  int64_t at_ = 0;
};

int64_t count_runs(const GapMap& map) {
  int64_t changes = 0;
  uint64_t before = map.settled[0] & 1;
  for (const uint64_t word : map.settled) {
    changes += std::popcount(word ^ (word << 1 | before));
    before = word >> 63;
  }
  // The zero bits above the end look like a change where the map ends with a settled offset inside its last word.
  const bool phantom = map.length % 64 != 0 && (map.settled.back() >> (map.length % 64 - 1) & 1) != 0;
  return changes - (phantom ? 1 : 0) + 1;
}

uint32_t checksum(const GapMap& map) {
  uint64_t hash = 0x9E3779B97F4A7C15ULL;
  const auto mix = [&hash](uint64_t value) {
    hash = (hash ^ value) * 0xD6E8FEB86659FD93ULL;
    hash ^= hash >> 32;
  };
  mix(static_cast<uint64_t>(map.base));
  mix(static_cast<uint64_t>(map.length));
  for (const uint64_t word : map.settled) mix(word);
  // MurmurHash3's finaliser (public domain): every bit of the last word must reach the bits that are kept.
  hash ^= hash >> 33;
  hash *= 0xFF51AFD7ED558CCDULL;
  hash ^= hash >> 33;
  hash *= 0xC4CEB9FE1A85EC53ULL;
  hash ^= hash >> 33;
  return static_cast<uint32_t>(hash);
}

int log2_mean_settled_run(const GapMap& map, int64_t runs) {
  const int64_t settled = map.length - map.gap_count();
  return std::clamp(power_of(std::max<int64_t>(settled / std::max<int64_t>((runs + 1) / 2, 1), 1)), 0, kMaxPower - 1);
}

// The coded map, as far as it fits: `covered` is where the coding stopped, always after a settled run.
struct Coded {
  std::vector<uint8_t> bytes;
  int64_t covered;
};

Coded code(const GapMap& map, size_t max_bytes) {
  RangeEncoder encoder;
  const int64_t runs = count_runs(map);
  const int log2_mean = log2_mean_settled_run(map, runs);
  encoder.code_bits(checksum(map), kChecksumBits);
  encoder.code_bits(static_cast<uint64_t>(log2_mean), 5);
  encoder.code_bits(static_cast<uint64_t>(power_of(runs)), 5);
  encoder.code_bits(static_cast<uint64_t>(runs), power_of(runs));
  Runs reader(map);
  encoder.code_bits(reader.settled() ? 1 : 0, 1);
  RunChances settled(log2_mean);
  RunChances unsettled(0);
  int64_t covered = 0;
  while (!reader.done()) {
    const bool is_settled = reader.settled();
    code_run(encoder, is_settled ? settled : unsettled, reader.next());
    // finish() adds up to eight bytes.
    if (encoder.bytes_so_far() + 8 > max_bytes) break;
    if (is_settled || reader.done()) covered = reader.at();
  }
  return {encoder.finish(), covered};
}

size_t units_of(Carrier carrier, size_t bytes) {
  return 1 + (carrier == Carrier::kBase32768 ? base32768_units(bytes) : (bytes + 2) / 3 * 4);
}

EncodedMetadata carry(const std::vector<uint8_t>& bytes, Carrier carrier, int64_t covered) {
  EncodedMetadata encoded;
  encoded.text = carrier == Carrier::kBase32768 ? kBase32768Signature + encode_base32768(bytes)
                                                : kBase64Signature + encode_base64(bytes);
  encoded.units = units_of(carrier, bytes.size());
  encoded.covered = covered;
  return encoded;
}

Failure corrupt(const std::string& why) { return {"METADATA_CORRUPT", "a laneway gap map that " + why}; }

// The map that the bytes say, unchecked; nullopt when they say none.
std::optional<GapMap> decode_runs(RangeDecoder& decoder, Offset base) {
  const int log2_mean = static_cast<int>(decoder.decode_bits(5));
  const int power = static_cast<int>(decoder.decode_bits(5));
  if (log2_mean >= kMaxPower || power >= kMaxPower) return std::nullopt;
  const auto runs = static_cast<int64_t>(uint64_t{1} << power | decoder.decode_bits(power));
  bool is_settled = decoder.decode_bits(1) != 0;
  RunChances settled(log2_mean);
  RunChances unsettled(0);
  GapMap map;
  map.base = base;
  for (int64_t i = 0; i < runs; ++i) {
    const int64_t run = decode_run(decoder, is_settled ? settled : unsettled);
    if (run == 0 || run > kMaxGapMapLength - map.length) return std::nullopt;
    map.append_run(run, is_settled);
    is_settled = !is_settled;
  }
  return map;
}

}  // namespace

EncodedMetadata encode_gap_map(const GapMap& map, Carrier carrier, size_t max_units) {
  const size_t max_bytes =
      max_units < 1 ? 0
                    : (carrier == Carrier::kBase32768 ? (max_units - 1) * kBase32768Bits / 8 : (max_units - 1) / 4 * 3);
  GapMap prefix = map.length > kMaxGapMapLength ? map.prefix(kMaxGapMapLength) : map;
  // Where the whole does not fit, what was coded before the limit does, but for what its own header adds or saves.
  while (!prefix.empty()) {
    Coded coded = code(prefix, map.length == prefix.length ? max_bytes + 8 : SIZE_MAX);
    if (coded.covered == prefix.length && coded.bytes.size() <= max_bytes) {
      return carry(coded.bytes, carrier, prefix.length);
    }
    const int64_t shorter = std::min(coded.covered, prefix.length - std::max<int64_t>(prefix.length / 1'024, 1));
    prefix = prefix.prefix(shorter);
  }
  return {};
}

bool is_laneway_metadata(std::string_view text) {
  return !text.empty() && (text[0] == kBase32768Signature || text[0] == kBase64Signature);
}

Result<GapMap> decode_gap_map(Offset base, std::string_view text) {
  if (!is_laneway_metadata(text)) return Failure{"METADATA_FOREIGN", "metadata without laneway's signature"};
  const Carrier carrier = text[0] == kBase32768Signature ? Carrier::kBase32768 : Carrier::kBase64;
  const auto bytes = carrier == Carrier::kBase32768 ? decode_base32768(text.substr(1)) : decode_base64(text.substr(1));
  if (!bytes) return corrupt("has characters that its carrier does not use");
  RangeDecoder decoder(*bytes);
  const auto expected = static_cast<uint32_t>(decoder.decode_bits(kChecksumBits));
  const auto map = decode_runs(decoder, base);
  if (!map) return corrupt("does not decode");
  if (checksum(*map) != expected)
    return corrupt("does not belong to offset " + std::to_string(base) + ", or was changed");
  // Every map has one text: what differs from it was padded, cut or made up.
  if (carry(code(*map, SIZE_MAX).bytes, carrier, map->length).text != text) return corrupt("is not as it was written");
  return *map;
}

}  // namespace laneway
