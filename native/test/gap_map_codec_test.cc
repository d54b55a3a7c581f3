// laneway's own gap map format: what goes in comes out, near the entropy, within the limit, and nothing else is taken
// for a map.
#include "core/gap_map_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/base32768.h"

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

TEST(GapMapCodec, StaysNearTheEntropyOfIndependentGaps) {
  for (const double settled : {0.5, 0.75, 0.9, 0.99, 0.999}) {
    for (const int64_t length : {1'000, 10'000, 100'000, 1'000'000}) {
      const GapMap map = independent(1'000'000, length, settled, 42);
      const EncodedMetadata encoded = encode_gap_map(map, Carrier::kBase32768, SIZE_MAX / 64);
      ASSERT_EQ(must_decode(map, encoded), "");
      const double bits = static_cast<double>((encoded.units - 1) * kBase32768Bits);
      // What was drawn, not what was to be expected: a small sample strays.
      const double drawn = 1 - static_cast<double>(map.gap_count()) / static_cast<double>(length);
      // The last unit need not be full.
      EXPECT_LE(bits, 1.03 * entropy_bits(length, drawn) + 64 + kBase32768Bits - 1) << settled << " of " << length;
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

TEST(GapMapCodec, CutsFromTheTopToTheLimitAndWastesLittleOfIt) {
  for (const Carrier carrier : {Carrier::kBase32768, Carrier::kBase64}) {
    for (const size_t limit : {size_t{20}, size_t{100}, size_t{512}, size_t{4'096}}) {
      const GapMap map = independent(5, 1'000'000, 0.9, 7);
      const EncodedMetadata encoded = encode_gap_map(map, carrier, limit);
      EXPECT_LE(encoded.units, limit);
      const GapMap covered = map.prefix(encoded.covered);
      EXPECT_EQ(covered.length, encoded.covered);
      EXPECT_EQ(must_decode(covered, encoded), "");
      if (limit >= 512) {
        EXPECT_GE(static_cast<double>(encoded.units), 0.985 * static_cast<double>(limit));
      }
    }
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

TEST(GapMapCodec, TellsForeignTextFromItsOwn) {
  for (const char* text : {"", "bAAFEgA=", "AQ==", "hello", "\xff\xfe"}) {
    const auto decoded = decode_gap_map(0, text);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.failure().code, "METADATA_FOREIGN");
  }
}

TEST(GapMapCodec, SurvivesRandomText) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<uint8_t> bytes(random() % 40);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    EXPECT_FALSE(decode_gap_map(0, "~" + encode_base32768(bytes)));
  }
}

TEST(Base32768, BringsBackEveryLengthAndRefusesWhatIsNotItsOwn) {
  std::mt19937_64 random(1);
  for (size_t size = 0; size < 200; ++size) {
    std::vector<uint8_t> bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    auto decoded = decode_base32768(encode_base32768(bytes));
    ASSERT_TRUE(decoded);
    // A last unit may have room for one more byte, of zeros.
    ASSERT_GE(decoded->size(), size);
    decoded->resize(size);
    EXPECT_EQ(*decoded, bytes);
  }
  for (const char* text : {"a", "\xE3\x90", "\xED\xA0\x80", "\xEF\xBF\xBF", "\xE0\x80\x80"}) {
    EXPECT_FALSE(decode_base32768(text));
  }
}

}  // namespace
}  // namespace laneway
