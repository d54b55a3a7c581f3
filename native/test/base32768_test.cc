// base32768: what goes in comes out, the alphabet keeps its promises, and nothing else is read. What takes a Unicode
// database to check (assigned, stable under normalisation) was checked where the table was made: see base32768.cc.
#include "core/base32768.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace laneway {
namespace {

// The text of one unit that carries `value`.
std::string unit(uint32_t value) {
  const std::vector<uint8_t> bytes{static_cast<uint8_t>(value >> 7), static_cast<uint8_t>(value << 1)};
  return encode_base32768(bytes).substr(0, 3);
}

uint32_t point_of(const std::string& utf8) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(utf8[i])); };
  return (byte(0) & 0xF) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
}

TEST(Base32768, EveryValueHasItsOwnUnitAndComesBack) {
  std::set<uint32_t> points;
  for (uint32_t value = 0; value < 1U << kBase32768Bits; ++value) {
    const std::string text = unit(value);
    points.insert(point_of(text));
    // A single unit holds one whole byte; the seven bits below it are padding, which must be zero.
    const auto decoded = decode_base32768(text);
    ASSERT_EQ(decoded.has_value(), (value & 0x7F) == 0) << value;
    if (decoded) {
      EXPECT_EQ(*decoded, std::vector<uint8_t>{static_cast<uint8_t>(value >> 7)});
    }
  }
  EXPECT_EQ(points.size(), size_t{1} << kBase32768Bits);
}

TEST(Base32768, TheAlphabetKeepsAwayFromWhatChangesOnTheWay) {
  for (uint32_t value = 0; value < 1U << kBase32768Bits; ++value) {
    const uint32_t point = point_of(unit(value));
    ASSERT_GE(point, 0x800U) << "three bytes of UTF-8";
    ASSERT_FALSE(point >= 0xD800 && point < 0xE000) << "surrogate " << point;
    ASSERT_FALSE(point >= 0xE000) << "private use, compatibility form or specials " << point;
    ASSERT_FALSE(point >= 0xAC00 && point < 0xD7B0) << "Hangul syllable, which NFD decomposes " << point;
    ASSERT_FALSE(point >= 0x1100 && point < 0x1200) << "Hangul jamo, which NFC composes " << point;
    ASSERT_FALSE(point >= 0x2000 && point < 0x2070) << "general punctuation and spaces " << point;
    ASSERT_FALSE(point == 0x3000 || point == 0x1680 || point == 0x180E || point == 0xFEFF) << "space " << point;
  }
}

TEST(Base32768, BringsBackEveryLength) {
  std::mt19937_64 random(1);
  for (size_t size = 0; size < 300; ++size) {
    std::vector<uint8_t> bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const std::string text = encode_base32768(bytes);
    EXPECT_EQ(text.size(), 3 * base32768_units(size));
    auto decoded = decode_base32768(text);
    ASSERT_TRUE(decoded);
    // A last unit may have room for one more byte, of zeros.
    ASSERT_GE(decoded->size(), size);
    ASSERT_LE(decoded->size(), size + 1);
    decoded->resize(size);
    EXPECT_EQ(*decoded, bytes);
  }
}

TEST(Base32768, RefusesWhatIsNotItsOwn) {
  const std::vector<std::string> foreign = {
      "a",             // ASCII
      "\xE3\x90",      // cut
      "\xED\xA0\x80",  // surrogate
      "\xEA\xB0\x80",  // Hangul
      "\xE3\x80\x80",  // ideographic space
      "\xEF\xBF\xBF",  // not a character
      "\xE0\x80\x80",  // overlong
      "\xF0\x9F\x98\x80",
      "\xE3\x90\x90\x80",  // a stray continuation byte
      "\xE3\x50\x90",      // a missing one
  };
  for (const std::string& text : foreign) EXPECT_FALSE(decode_base32768(text)) << text;
  EXPECT_FALSE(decode_base32768(unit(1))) << "padding that is not zero";
}

}  // namespace
}  // namespace laneway
