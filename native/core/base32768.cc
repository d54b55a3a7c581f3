// See base32768.h.
//
// How the blocks were made, with Python's unicodedata (Unicode 14.0): of the aligned blocks of 32 code points from
// U+0800 on, those in which every code point is a letter, a digit or a symbol (Lu, Ll, Lt, Lm, Lo, Nd, Nl, No, Sm, Sc,
// So), is neither combining nor written from right to left, is its own NFC, NFD, NFKC and NFKD, and is the second half
// of no composition. That makes 1,034; left out were the eight of the Hangul jamo (U+1100, which compose by rule),
// Braille's first (U+2800: its first pattern is blank) and U+A7A0. base32768_test.cc checks what needs no database.
#include "core/base32768.h"

#include <array>

namespace laneway {

namespace {

constexpr uint32_t kBlockBits = 5;
constexpr uint32_t kBlockSize = 1U << kBlockBits;
constexpr size_t kBlockCount = (size_t{1} << kBase32768Bits) / kBlockSize;
constexpr uint32_t kMask = (1U << kBase32768Bits) - 1;
constexpr uint16_t kNoBlock = 0xFFFF;

struct Range {
  uint16_t first;
  uint16_t blocks;
};

// Ascending.
constexpr std::array<Range, 45> kRanges = {{
    {0x1000, 1}, {0x10A0, 1}, {0x1200, 2},   {0x1260, 1}, {0x12E0, 1}, {0x1320, 1},  {0x13A0, 2}, {0x1420, 18},
    {0x16A0, 2}, {0x1780, 1}, {0x1820, 2},   {0x18C0, 1}, {0x1980, 1}, {0x19E0, 1},  {0x1A20, 1}, {0x1BC0, 1},
    {0x1C00, 1}, {0x1D00, 1}, {0x21E0, 1},   {0x22C0, 1}, {0x2340, 7}, {0x2500, 19}, {0x2780, 2}, {0x2820, 11},
    {0x29A0, 1}, {0x2A20, 2}, {0x2A80, 2},   {0x2AE0, 4}, {0x2BA0, 6}, {0x2C80, 3},  {0x2D00, 1}, {0x2D40, 1},
    {0x2EA0, 2}, {0x31A0, 2}, {0x3400, 900}, {0xA4A0, 1}, {0xA500, 8}, {0xA640, 1},  {0xA6A0, 2}, {0xA740, 1},
    {0xA840, 1}, {0xA900, 1}, {0xAA00, 1},   {0xAA80, 1}, {0xAB80, 3},
}};

// The first code point of every block.
constexpr std::array<uint16_t, kBlockCount> make_blocks() {
  std::array<uint16_t, kBlockCount> blocks{};
  size_t next = 0;
  for (const Range& range : kRanges) {
    for (uint32_t i = 0; i < range.blocks; ++i) blocks[next++] = static_cast<uint16_t>(range.first + i * kBlockSize);
  }
  // Fewer than kBlockCount would leave a zero here; more would not compile.
  return blocks;
}
constexpr auto kBlocks = make_blocks();
static_assert(kBlocks.back() != 0);

// Which block a code point is in, by its higher bits.
constexpr std::array<uint16_t, 0x10000 / kBlockSize> make_block_of() {
  std::array<uint16_t, 0x10000 / kBlockSize> block_of{};
  for (auto& block : block_of) block = kNoBlock;
  for (size_t i = 0; i < kBlockCount; ++i) block_of[kBlocks[i] >> kBlockBits] = static_cast<uint16_t>(i);
  return block_of;
}
constexpr auto kBlockOf = make_block_of();

void append(std::string& text, uint32_t value) {
  const uint32_t point = kBlocks[value >> kBlockBits] + (value & (kBlockSize - 1));
  text += static_cast<char>(0xE0 | (point >> 12));
  text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
  text += static_cast<char>(0x80 | (point & 0x3F));
}

// The value of the unit at `at`; nullopt when it is none of the alphabet's.
std::optional<uint32_t> value_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])); };
  if (text.size() - at < 3 || byte(0) >> 4 != 0xE || byte(1) >> 6 != 2 || byte(2) >> 6 != 2) return std::nullopt;
  const uint32_t point = (byte(0) & 0xF) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  const uint32_t block = kBlockOf[point >> kBlockBits];
  if (block == kNoBlock) return std::nullopt;
  return block << kBlockBits | (point & (kBlockSize - 1));
}

}  // namespace

std::string encode_base32768(std::span<const uint8_t> bytes) {
  std::string text;
  text.reserve(base32768_units(bytes.size()) * 3);
  uint32_t bits = 0;
  size_t count = 0;
  for (const uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    count += 8;
    if (count < kBase32768Bits) continue;
    count -= kBase32768Bits;
    append(text, bits >> count & kMask);
  }
  if (count != 0) append(text, bits << (kBase32768Bits - count) & kMask);
  return text;
}

std::optional<std::vector<uint8_t>> decode_base32768(std::string_view text) {
  std::vector<uint8_t> bytes;
  bytes.reserve(text.size() / 3 * kBase32768Bits / 8);
  uint32_t bits = 0;
  size_t count = 0;
  for (size_t at = 0; at < text.size(); at += 3) {
    const auto value = value_at(text, at);
    if (!value) return std::nullopt;
    bits = bits << kBase32768Bits | *value;
    count += kBase32768Bits;
    while (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<uint8_t>(bits >> count));
    }
  }
  if ((bits & ((1U << count) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace laneway
