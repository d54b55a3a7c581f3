// laneway's own gap map format: what goes in comes out, near the entropy, within the limit, and nothing else is taken
// for a map.
#include "core/gap_map_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/base32768.h"
#include "core/base64.h"

namespace laneway {
namespace {

GapMap independent(Offset base, int64_t length, double settled, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::bernoulli_distribution is_gap(1 - settled);
  std::vector<Offset> gaps{base};
  for (Offset offset = base + 1; offset < base + length - 1; ++offset) {
    if (is_gap(random)) gaps.push_back(offset);
  }
  return GapMap::from_gaps(base, base + length - 1, gaps);
}

double entropy_bits(int64_t length, double settled) {
  const double gap = 1 - settled;
  return static_cast<double>(length) * (-settled * std::log2(settled) - gap * std::log2(gap));
}

std::string must_decode(const GapMap& map, const EncodedMetadata& encoded) {
  const auto decoded = decode_gap_map(map.base, encoded.text);
  if (!decoded) return decoded.failure().code + ": " + decoded.failure().message;
  return *decoded == map ? "" : "another map";
}

TEST(GapMapCodec, EveryShortMapComesBack) {
  for (int64_t length = 1; length <= 10; ++length) {
    for (uint64_t bits = 0; bits < uint64_t{1} << length; ++bits) {
      GapMap map{.base = 77, .length = length, .settled = {bits}};
      for (const Carrier carrier : {Carrier::kBase32768, Carrier::kBase64}) {
        const EncodedMetadata encoded = encode_gap_map(map, carrier, 4'096);
        ASSERT_EQ(encoded.covered, length);
        ASSERT_EQ(must_decode(map, encoded), "") << length << " bits " << bits;
      }
    }
  }
}

TEST(GapMapCodec, BringsBackForeignMapsThatBeginSettledOrEndUnsettled) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 2'000; ++i) {
    GapMap map{.base = static_cast<Offset>(random() % kMaxOffset), .length = 0, .settled = {}};
    bool is_settled = random() % 2 == 0;
    const uint64_t runs = 1 + random() % 40;
    for (uint64_t run = 0; run < runs; ++run) {
      map.append_run(static_cast<int64_t>(1 + random() % (uint64_t{1} << (random() % 12))), is_settled);
      is_settled = !is_settled;
    }
    ASSERT_EQ(must_decode(map, encode_gap_map(map, Carrier::kBase32768, 4'096)), "") << i;
  }
  for (const bool is_settled : {false, true}) {
    GapMap map;
    map.append_run(kMaxGapMapLength, is_settled);
    const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase32768, 40);
    EXPECT_EQ(encoded.covered, kMaxGapMapLength);
    EXPECT_EQ(must_decode(map, encoded), "");
  }
}

TEST(GapMapCodec, WritesTheSameTextForEver) {
  // From the first release on these texts are in the metadata of running groups: a change then needs a new signature.
  const std::vector<Offset> gaps{100, 102, 103, 250};
  const GapMap usual = GapMap::from_gaps(100, 400, gaps);
  EXPECT_EQ(encode_gap_map(usual, Carrier::kBase64, 4'096).text, "!+Qe09DQCAstW1g==");
  // The other carrier carries the same bytes.
  EXPECT_EQ(encode_gap_map(usual, Carrier::kBase32768, 4'096).text,
            "~" + encode_base32768(*decode_base64("+Qe09DQCAstW1g==")));
  GapMap unusual{.base = kMaxOffset - 100, .length = 0, .settled = {}};
  unusual.append_run(70, true);
  unusual.append_run(5, false);
  EXPECT_EQ(encode_gap_map(unusual, Carrier::kBase64, 4'096).text, "!Hr7yGTMBAAAB1O0y6Q==");
}

// Everything that is carried: checksum, header, runs and the coder's end.
double payload_bits(const GapMap& map) {
  const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase64, SIZE_MAX);
  EXPECT_EQ(must_decode(map, encoded), "");
  return static_cast<double>(8 * decode_base64(encoded.text.substr(1))->size());
}

TEST(GapMapCodec, StaysNearTheEntropyOfIndependentGaps) {
  for (const double settled : {0.5, 0.75, 0.9, 0.99, 0.999}) {
    for (const int64_t length : {1'000, 3'000, 10'000, 100'000, 1'000'000}) {
      for (uint64_t seed = 0; seed < (length < 100'000 ? 20U : 1U); ++seed) {
        const GapMap map = independent(1'000'000, length, settled, seed);
        // What was drawn, not what was to be expected: a small sample strays.
        const double drawn = 1 - static_cast<double>(map.gap_count()) / static_cast<double>(length);
        EXPECT_LE(payload_bits(map), 1.03 * entropy_bits(length, drawn) + 64) << settled << " of " << length;
      }
    }
  }
}

TEST(GapMapCodec, CodesBurstsInFarLessThanIndependentGaps) {
  std::vector<Offset> gaps;
  for (Offset burst = 0; burst < 100'000; burst += 1'000) {
    for (Offset offset = burst; offset < burst + 100; ++offset) gaps.push_back(offset);
  }
  const GapMap map = GapMap::from_gaps(0, 100'000, gaps);
  const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase32768, 4'096);
  EXPECT_EQ(must_decode(map, encoded), "");
  // As independent gaps, the same share would take 46,900 bits: 3,127 units.
  EXPECT_LT(encoded.units, 100U);
}

// Cuts the map to `limit` and checks that the text is right and that no prefix 0.5 % longer would have fitted (or three
// gaps longer, where the limit is so small that this is more).
void expect_a_good_cut(const GapMap& map, Carrier carrier, size_t limit) {
  const EncodedMetadata encoded = encode_gap_map(map, carrier, limit);
  EXPECT_LE(encoded.units, limit);
  const GapMap covered = map.prefix(encoded.covered);
  EXPECT_EQ(covered.length, encoded.covered);
  EXPECT_EQ(must_decode(covered, encoded), "");
  const int64_t slack = std::max(covered.length / 200, 3 * covered.length / (covered.gap_count() + 1));
  GapMap longer;
  for (int64_t length = covered.length + slack; longer.length <= covered.length; length += 64) {
    longer = map.prefix(length + 64);
  }
  EXPECT_GT(encode_gap_map(longer, carrier, SIZE_MAX).units, limit) << encoded.covered << " of " << longer.length;
}

TEST(GapMapCodec, CutsFromTheTopToTheLimitAndWastesLittleOfIt) {
  for (const double settled : {0.5, 0.9, 0.99}) {
    const GapMap map = independent(5, 1'000'000, settled, 7);
    for (const Carrier carrier : {Carrier::kBase32768, Carrier::kBase64}) {
      for (const size_t limit : {size_t{30}, size_t{100}, size_t{512}, size_t{4'096}}) {
        SCOPED_TRACE(testing::Message() << settled << " to " << limit);
        expect_a_good_cut(map, carrier, limit);
      }
    }
  }
}

TEST(GapMapCodec, CutsWhereDensityChangesAtTheLimit) {
  // Dense, then one long run about where the limit is, then dense again.
  for (int64_t dense = 40'000; dense <= 70'000; dense += 3'000) {
    std::mt19937_64 random(3);
    GapMap map;
    const auto append_pair = [&] {
      map.append_run(static_cast<int64_t>(1 + random() % 3), false);
      map.append_run(static_cast<int64_t>(1 + random() % 3), true);
    };
    while (map.length < dense) append_pair();
    map.append_run(1, false);
    map.append_run(1 << 20, true);
    for (int i = 0; i < 50'000; ++i) append_pair();
    SCOPED_TRACE(dense);
    expect_a_good_cut(map, Carrier::kBase32768, 4'096);
  }
}

TEST(GapMapCodec, CoversMillionsOfOffsetsWhereTheyAreRegular) {
  GapMap map{.base = 9, .length = 4'000'000, .settled = std::vector<uint64_t>(62'500, 0xAAAA'AAAA'AAAA'AAAA)};
  const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase32768, 4'096);
  EXPECT_EQ(encoded.covered, map.length);
  EXPECT_EQ(must_decode(map, encoded), "");
}

TEST(GapMapCodec, CoversNoMoreThanTheLongestMapThatDecodes) {
  GapMap map;
  map.append_run(1, false);
  map.append_run(kMaxGapMapLength + 1'000, true);
  const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase32768, 4'096);
  EXPECT_EQ(encoded.covered, kMaxGapMapLength);
  EXPECT_EQ(must_decode(map.prefix(kMaxGapMapLength), encoded), "");
}

TEST(GapMapCodec, RefusesMoreRunsThanATextOfItsLengthCanHold) {
  // Zeros are the cheapest runs: without the bound, this text costs 2^24 steps.
  for (const size_t zeros : {0U, 10U, 100U}) {
    std::vector<uint8_t> bytes{1, 2, 3, 4, 2, 0x7F, 0xFF, 0xFF};
    bytes.resize(bytes.size() + zeros);
    const auto decoded = decode_gap_map(0, "~" + encode_base32768(bytes));
    ASSERT_FALSE(decoded);
    EXPECT_NE(decoded.failure().message.find("claims 16777216 runs"), std::string::npos) << decoded.failure().message;
  }
}

TEST(GapMapCodec, CoversNoMoreRunsThanDecodingAccepts) {
  GapMap map{.base = 9, .length = kMaxGapMapLength, .settled = {}};
  map.settled.assign(static_cast<size_t>(kMaxGapMapLength / 64), 0xAAAA'AAAA'AAAA'AAAA);
  const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase32768, 4'096);
  EXPECT_EQ(encoded.covered, 1 << 22);
  EXPECT_EQ(must_decode(map.prefix(encoded.covered), encoded), "");
}

TEST(GapMapCodec, RefusesAMapThatLeavesTheRangeOfOffsets) {
  for (const Offset base : {Offset{-1}, kMaxOffset - 9, INT64_MAX - 20}) {
    const GapMap map{.base = base, .length = 10, .settled = {0b10'1010'1010}};
    const auto decoded = decode_gap_map(base, encode_gap_map(map, Carrier::kBase64, 4'096).text);
    ASSERT_FALSE(decoded) << base;
    EXPECT_EQ(decoded.failure().code, "METADATA_CORRUPT");
  }
}

TEST(GapMapCodec, WritesNothingWhereNothingFits) {
  const GapMap map = independent(5, 1'000, 0.9, 7);
  for (size_t limit = 0; limit < 4; ++limit) {
    const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase32768, limit);
    EXPECT_EQ(encoded.text, "");
    EXPECT_EQ(encoded.covered, 0);
  }
  EXPECT_EQ(encode_gap_map(GapMap{}, Carrier::kBase32768, 4'096).text, "");
}

TEST(GapMapCodec, RefusesAMapThatBelongsToAnotherOffset) {
  const GapMap map = independent(500, 1'000, 0.9, 7);
  const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase32768, 4'096);
  for (const Offset base : {Offset{0}, Offset{499}, Offset{501}, kMaxOffset}) {
    const auto decoded = decode_gap_map(base, encoded.text);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.failure().code, "METADATA_CORRUPT");
  }
}

TEST(GapMapCodec, RefusesEveryChangedCutOrExtendedText) {
  const GapMap map = independent(500, 300, 0.8, 7);
  for (const Carrier carrier : {Carrier::kBase32768, Carrier::kBase64}) {
    const std::string text = encode_gap_map(map, carrier, 4'096).text;
    const size_t step = carrier == Carrier::kBase32768 ? 3 : 1;
    for (size_t i = 1; i < text.size(); ++i) {
      for (const int change : {1, 2, 4, 8, 16, 32}) {
        std::string changed = text;
        changed[i] = static_cast<char>(changed[i] ^ change);
        EXPECT_FALSE(decode_gap_map(500, changed)) << i;
      }
    }
    for (size_t size = 1; size < text.size(); size += step) EXPECT_FALSE(decode_gap_map(500, text.substr(0, size)));
    EXPECT_FALSE(decode_gap_map(500, text + text.substr(1, step)));
  }
}

TEST(GapMapCodec, ChecksumCoversEveryBit) {
  // Found by fuzzing: the highest bits of the last word did not reach the checksum.
  int accepted = 0;
  for (int bit = 1; bit < 64; ++bit) {
    GapMap map{.base = 3, .length = 64, .settled = {uint64_t{1} << 63 | uint64_t{1} << bit}};
    const std::string text = encode_gap_map(map, Carrier::kBase64, 4'096).text;
    for (size_t i = 1; i < text.size(); ++i) {
      for (int change = 1; change < 64; ++change) {
        std::string changed = text;
        changed[i] = static_cast<char>(changed[i] ^ change);
        if (changed != text && decode_gap_map(3, changed)) ++accepted;
      }
    }
  }
  EXPECT_EQ(accepted, 0);
}

TEST(GapMapCodec, ChecksumCoversTheHeader) {
  // Found by fuzzing: where coded runs end in zero bytes, another mean in the header reads as the same runs.
  GapMap map{.base = 15, .length = 0, .settled = {}};
  map.append_run(1, false);
  map.append_run(1, true);
  map.append_run(88, false);
  const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase64, 15);
  EXPECT_EQ(must_decode(map.prefix(2), encoded), "");
  const std::vector<uint8_t> bytes = *decode_base64(encoded.text.substr(1));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::vector<uint8_t> changed = bytes;
    changed[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(decode_gap_map(15, "!" + encode_base64(changed))) << bit;
  }
}

TEST(GapMapCodec, TellsForeignTextFromItsOwn) {
  for (const char* text : {"", "bAAFEgA=", "AQ==", "hello", "\xff\xfe"}) {
    const auto decoded = decode_gap_map(0, text);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.failure().code, "METADATA_FOREIGN");
  }
}

TEST(GapMapCodec, SurvivesRandomText) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 5'000; ++i) {
    std::vector<uint8_t> bytes(random() % 40);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    EXPECT_FALSE(decode_gap_map(0, "~" + encode_base32768(bytes)));
  }
}

}  // namespace
}  // namespace laneway
