// See base32768.h.
#include "core/base32768.h"

namespace laneway {

namespace {

constexpr uint32_t kIdeographs = 0x3400;
constexpr uint32_t kIdeographCount = 0xA000 - 0x3400;
constexpr uint32_t kSyllables = 0xAC00;
constexpr uint32_t kMask = (1U << kBase32768Bits) - 1;

void append(std::string& text, uint32_t value) {
  const uint32_t point = value < kIdeographCount ? kIdeographs + value : kSyllables + (value - kIdeographCount);
  text += static_cast<char>(0xE0 | (point >> 12));
  text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
  text += static_cast<char>(0x80 | (point & 0x3F));
}

// The value of the unit at `at`; nullopt when it is none of the alphabet's.
std::optional<uint32_t> value_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])); };
  if (text.size() - at < 3 || byte(0) >> 4 != 0xE || byte(1) >> 6 != 2 || byte(2) >> 6 != 2) return std::nullopt;
  const uint32_t point = (byte(0) & 0xF) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  if (point >= kIdeographs && point < kIdeographs + kIdeographCount) return point - kIdeographs;
  const uint32_t value = point - kSyllables + kIdeographCount;
  if (point >= kSyllables && value <= kMask) return value;
  return std::nullopt;
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
