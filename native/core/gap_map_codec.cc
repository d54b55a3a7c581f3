// See gap_map_codec.h for the contract.
//
// The bits are a sequence of runs, settled and unsettled in turn. Each run's length is coded as the power of two below
// it (one adaptive decision per power) and what is left (the three highest bits adaptive, the rest even). For
// independent gaps the lengths are geometric: the mean settled run, in the header, says how both kinds are distributed
// and primes every decision; for bursts the decisions learn what is there. Coding runs rather than bits makes a million
// offsets cost about a millisecond.
//
// Bytes, in this order: checksum (4, big-endian); mean settled run in half octaves (6 bits) and the form of the count
// (2 bits); the count (1 to 4, big-endian); the range coder's. The header stays outside the coder so that one pass is
// enough: coding stops where the limit is, and only then are count and checksum known. The forms of the count:
//   0, 1, 2   the map begins with a gap and ends settled, as the tracker's maps do: pairs of runs - 1, in 1, 2, 3 bytes
//   3         any other map: bit 24 set when it begins settled, below it the number of runs - 1
// The length of the map is the sum of the runs. The coder's zero bytes are kept but for those of its end, so that the
// number of runs is bounded by the length of the text.
#include "core/gap_map_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <span>

#include "core/base32768.h"
#include "core/base64.h"
#include "core/range_coder.h"

namespace laneway {

namespace {

constexpr char kBase32768Signature = '~';
constexpr char kBase64Signature = '!';
constexpr int kMaxPower = 25;  // runs are at most kMaxGapMapLength = 2^24
constexpr int kAdaptiveBits = 3;
constexpr size_t kMinHeader = 6;
// How many decisions the primed chances count for: chosen by measurement (16 costs bursts 16 % more, 4 puts the bound
// on short maps at risk).
constexpr uint16_t kTrust = 8;
// A decision is never taken for surer than 24 / 65536 (range_coder.h), so it costs at least 1/1900 bit, a run as much.
constexpr size_t kMaxRunsPerByte = size_t{8} * 2'048;
// Bounds the time that a hostile text can cost: 2^24 runs, which 3,451 units can hold, took 500 ms to decode.
constexpr int64_t kMaxRuns = int64_t{1} << 22;
// Two runs, the header and the coder's end together take fewer bytes than this.
constexpr size_t kNearLimit = 128;
constexpr size_t kMaxChecks = 512;

// A fraction of one, in 1/2^32.
using Fraction = uint64_t;
constexpr Fraction kOne = Fraction{1} << 32;

uint32_t chance_of(Fraction fraction) {
  return static_cast<uint32_t>(std::clamp<Fraction>(fraction >> 16, 24, 65'536 - 24));
}

// How the lengths of one kind of run are distributed: at first as if each offset continued the run with the same
// chance. Integers only, because writer and reader must agree on every machine.
struct RunChances {
  explicit RunChances(Fraction continues) {
    std::array<Fraction, kMaxPower> lasts;  // The chance that a run goes on for 2^i more offsets.
    lasts[0] = continues;
    for (size_t i = 1; i < lasts.size(); ++i) lasts[i] = lasts[i - 1] * lasts[i - 1] >> 32;
    for (size_t power = 0; power < lasts.size(); ++power) {
      shorter[power] = Chance(chance_of(kOne - lasts[power]), kTrust);
      for (size_t node = 1; node < high_bits[power].size(); ++node) {
        const auto depth = static_cast<size_t>(std::bit_width(node));
        const Fraction half = power >= depth ? lasts[power - depth] : kOne;
        high_bits[power][node] = Chance(chance_of((half << 31) / ((kOne + half) >> 1)), kTrust);
      }
    }
  }
  std::array<Chance, kMaxPower> shorter;
  std::array<std::array<Chance, size_t{1} << kAdaptiveBits>, kMaxPower> high_bits;
};

// Both kinds, primed for independent gaps: where a settled run of this mean ends is a gap, and gaps are as frequent
// inside an unsettled run as anywhere.
struct MapChances {
  explicit MapChances(int half_octaves)
      : settled(kOne - gap_share(half_octaves)), unsettled(std::min(gap_share(half_octaves), kOne / 16 * 15)) {}

  RunChances& of(bool is_settled) { return is_settled ? settled : unsettled; }

  // 2^(-half_octaves / 2).
  static Fraction gap_share(int half_octaves) {
    constexpr Fraction kRootOfHalf = 3'037'000'500;
    return (half_octaves % 2 == 0 ? kOne : kRootOfHalf) >> (half_octaves / 2);
  }
  RunChances settled;
  RunChances unsettled;
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

// Of the map and of the mean it is coded with: the count and the form follow from the map, the rest is the signature's.
uint32_t checksum(const GapMap& map, int mean) {
  uint64_t hash = 0x9E3779B97F4A7C15ULL;
  const auto mix = [&hash](uint64_t value) {
    hash = (hash ^ value) * 0xD6E8FEB86659FD93ULL;
    hash ^= hash >> 32;
  };
  mix(static_cast<uint64_t>(map.base));
  mix(static_cast<uint64_t>(map.length) << 6 | static_cast<uint64_t>(mean));
  for (const uint64_t word : map.settled) mix(word);
  // MurmurHash3's finaliser (public domain): every bit of the last word must reach the bits that are kept.
  hash ^= hash >> 33;
  hash *= 0xFF51AFD7ED558CCDULL;
  hash ^= hash >> 33;
  hash *= 0xC4CEB9FE1A85EC53ULL;
  hash ^= hash >> 33;
  return static_cast<uint32_t>(hash);
}

// log2 of the mean settled run, in halves, rounded.
int mean_settled_run(const GapMap& map, int64_t runs) {
  const int64_t settled = std::max<int64_t>(map.length - map.gap_count(), 1);
  const int64_t mean = std::max<int64_t>((settled << 16) / std::max<int64_t>((runs + 1) / 2, 1), 1 << 16);
  const int power = power_of(mean) - 16;
  const int64_t fraction = mean >> power;
  constexpr int64_t kQuarterOctave = 77'936;  // 65536 x 2^(1/4)
  constexpr int64_t kThreeQuarters = 110'218;
  return 2 * power + (fraction < kQuarterOctave ? 0 : (fraction < kThreeQuarters ? 1 : 2));
}

struct Header {
  uint32_t checksum = 0;
  int mean = 0;
  int64_t runs = 0;
  bool starts_settled = false;

  bool is_usual() const { return !starts_settled && runs % 2 == 0; }
  uint64_t count() const {
    if (is_usual()) return static_cast<uint64_t>(runs / 2 - 1);
    return static_cast<uint64_t>(runs - 1) | (starts_settled ? uint64_t{1} << 24 : 0);
  }
  // Of the forms above; a count takes one byte more than its form.
  unsigned form() const {
    if (!is_usual()) return 3;
    return count() < 1U << 8 ? 0 : (count() < 1U << 16 ? 1 : 2);
  }
  size_t size() const { return kMinHeader + form(); }

  void append_to(std::vector<uint8_t>& bytes) const {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(checksum >> shift));
    bytes.push_back(static_cast<uint8_t>(static_cast<unsigned>(mean) << 2 | form()));
    for (int i = static_cast<int>(form()); i >= 0; --i) bytes.push_back(static_cast<uint8_t>(count() >> (8 * i)));
  }
};

std::optional<Header> read_header(std::span<const uint8_t> bytes) {
  if (bytes.size() < kMinHeader) return std::nullopt;
  const unsigned form = bytes[4] & 3;
  if (bytes.size() < kMinHeader + form) return std::nullopt;
  Header header;
  for (size_t i = 0; i < 4; ++i) header.checksum = header.checksum << 8 | bytes[i];
  header.mean = bytes[4] >> 2;
  int64_t count = 0;
  for (size_t i = 0; i <= form; ++i) count = count << 8 | bytes[5 + i];
  header.runs = form == 3 ? (count & 0xFF'FFFF) + 1 : (count + 1) * 2;
  header.starts_settled = form == 3 && (count >> 24 & 1) != 0;
  return header;
}

// The coded runs of a map, or of as much of it as fits, always up to a settled offset then.
struct Coded {
  Header header;
  std::vector<uint8_t> runs;
  int64_t covered = 0;
};

// Keeps the latest state of the coder that still fits. Each look costs a copy, so far from the limit there is none,
// and near it few more than one per byte.
class LatestFit {
 public:
  explicit LatestFit(size_t max_bytes) : max_bytes_(max_bytes) {}

  bool is_passed_by(const RangeEncoder& encoder) const { return encoder.bytes_so_far() + kMinHeader > max_bytes_; }

  void offer(const RangeEncoder& encoder, const Header& header, int64_t covered, bool is_last) {
    const size_t bytes = encoder.bytes_so_far();
    if (!is_last && (bytes + kNearLimit < max_bytes_ || (bytes == looked_at_ && ++looks_ > kMaxChecks))) return;
    looked_at_ = bytes;
    RangeEncoder copy = encoder;
    std::vector<uint8_t> runs = copy.finish();
    runs.resize(std::max(runs.size(), bytes));
    if (header.size() + runs.size() <= max_bytes_) best_ = {header, std::move(runs), covered};
  }

  Coded take() { return std::move(best_); }

 private:
  size_t max_bytes_;
  size_t looked_at_ = SIZE_MAX;
  size_t looks_ = 0;
  Coded best_;
};

Coded code(const GapMap& map, int mean, size_t max_bytes) {
  RangeEncoder encoder;
  MapChances chances(mean);
  LatestFit fit(max_bytes);
  Runs reader(map);
  Header header{.mean = mean, .starts_settled = reader.settled()};
  while (!reader.done() && !fit.is_passed_by(encoder)) {
    const bool is_settled = reader.settled();
    code_run(encoder, chances.of(is_settled), reader.next());
    ++header.runs;
    if (is_settled || reader.done()) fit.offer(encoder, header, reader.at(), reader.done());
  }
  return fit.take();
}

size_t units_of(Carrier carrier, size_t bytes) {
  return 1 + (carrier == Carrier::kBase32768 ? base32768_units(bytes) : (bytes + 2) / 3 * 4);
}

size_t bytes_in(Carrier carrier, size_t units) {
  if (units < 1) return 0;
  units = std::min(units, size_t{1} << 32);  // No map takes more; keeps the product in range.
  return carrier == Carrier::kBase32768 ? (units - 1) / 8 * kBase32768Bits + (units - 1) % 8 * kBase32768Bits / 8
                                        : (units - 1) / 4 * 3;
}

EncodedMetadata carry(const Coded& coded, Carrier carrier) {
  std::vector<uint8_t> bytes;
  bytes.reserve(coded.header.size() + coded.runs.size());
  coded.header.append_to(bytes);
  bytes.insert(bytes.end(), coded.runs.begin(), coded.runs.end());
  EncodedMetadata encoded;
  encoded.text = carrier == Carrier::kBase32768 ? kBase32768Signature + encode_base32768(bytes)
                                                : kBase64Signature + encode_base64(bytes);
  encoded.units = units_of(carrier, bytes.size());
  encoded.covered = coded.covered;
  return encoded;
}

// Where the run after the first `count` begins.
int64_t end_of_runs(const GapMap& map, int64_t count) {
  Runs reader(map);
  for (int64_t i = 0; i < count; ++i) reader.next();
  return reader.at();
}

Failure corrupt(const std::string& why) { return {"METADATA_CORRUPT", "a laneway gap map that " + why}; }

// The map that the runs say, its checksum not yet compared.
Result<GapMap> decode_runs(std::span<const uint8_t> bytes, const Header& header, Offset base) {
  const int64_t most = std::min(kMaxRuns, static_cast<int64_t>((bytes.size() + 8) * kMaxRunsPerByte));
  if (header.runs > most) {
    return corrupt("claims " + std::to_string(header.runs) + " runs, where " + std::to_string(bytes.size()) +
                   " bytes may hold " + std::to_string(most));
  }
  RangeDecoder decoder(bytes);
  MapChances chances(header.mean);
  bool is_settled = header.starts_settled;
  GapMap map;
  map.base = base;
  for (int64_t i = 0; i < header.runs; ++i) {
    const int64_t run = decode_run(decoder, chances.of(is_settled));
    if (run == 0 || run > kMaxGapMapLength - map.length) {
      return corrupt("claims more than the " + std::to_string(kMaxGapMapLength) + " offsets that a map may cover");
    }
    map.append_run(run, is_settled);
    is_settled = !is_settled;
  }
  return map;
}

}  // namespace

EncodedMetadata encode_gap_map(const GapMap& map, Carrier carrier, size_t max_units) {
  if (map.length > kMaxGapMapLength) return encode_gap_map(map.prefix(kMaxGapMapLength), carrier, max_units);
  if (map.empty()) return {};
  const int64_t runs = count_runs(map);
  if (runs > kMaxRuns) return encode_gap_map(map.prefix(end_of_runs(map, kMaxRuns)), carrier, max_units);
  Coded coded = code(map, mean_settled_run(map, runs), bytes_in(carrier, max_units));
  if (coded.covered == 0) return {};
  coded.header.checksum = checksum(coded.covered == map.length ? map : map.prefix(coded.covered), coded.header.mean);
  return carry(coded, carrier);
}

bool is_laneway_metadata(std::string_view text) {
  return !text.empty() && (text[0] == kBase32768Signature || text[0] == kBase64Signature);
}

Result<GapMap> decode_gap_map(Offset base, std::string_view text) {
  if (!is_laneway_metadata(text)) return Failure{"METADATA_FOREIGN", "metadata without laneway's signature"};
  const Carrier carrier = text[0] == kBase32768Signature ? Carrier::kBase32768 : Carrier::kBase64;
  const auto bytes = carrier == Carrier::kBase32768 ? decode_base32768(text.substr(1)) : decode_base64(text.substr(1));
  if (!bytes) {
    return corrupt(std::string("is not ") + (carrier == Carrier::kBase32768 ? "base32768" : "base64") +
                   " after its signature");
  }
  const auto header = read_header(*bytes);
  if (!header) return corrupt("has " + std::to_string(bytes->size()) + " bytes, which end inside its header");
  auto map = decode_runs(std::span(*bytes).subspan(header->size()), *header, base);
  if (!map) return map;
  if (const uint32_t seen = checksum(*map, header->mean); seen != header->checksum) {
    return corrupt("does not belong to offset " + std::to_string(base) + ", or was changed: its checksum is " +
                   std::to_string(header->checksum) + ", the map's " + std::to_string(seen));
  }
  if (base < 0 || base > kMaxOffset || map->length > kMaxOffset - base) {
    return corrupt("covers " + std::to_string(map->length) + " offsets from " + std::to_string(base) +
                   ", which leaves the range of 0 to " + std::to_string(kMaxOffset));
  }
  // A map and its mean have one text: what differs from it was padded, cut or made up.
  Coded again = code(*map, header->mean, SIZE_MAX);
  again.header.checksum = header->checksum;
  if (carry(again, carrier).text != text) return corrupt("is not as it was written");
  return map;
}

}  // namespace laneway
