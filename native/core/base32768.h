// base32768: 15 bits in each UTF-16 code unit, for a limit that counts units.
//
// The alphabet is 1,024 blocks of 32 code points of the basic multilingual plane, CJK ideographs for the most part. All
// are assigned letters, digits or symbols; none is a surrogate, a space or a combining mark; and no sequence of them
// changes under NFC, NFD, NFKC or NFKD, so the text survives whatever handles it. Hangul is left out: it decomposes.
// Each takes three bytes of UTF-8. Bits are filled from the highest down; the last unit is padded with zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace laneway {

inline constexpr size_t kBase32768Bits = 15;

// Units that `bytes` bytes take.
constexpr size_t base32768_units(size_t bytes) { return (bytes * 8 + kBase32768Bits - 1) / kBase32768Bits; }

std::string encode_base32768(std::span<const uint8_t> bytes);
// The bytes that the text may carry: as many whole ones as its units hold. nullopt for a code point outside the
// alphabet, for UTF-8 that is not well formed, and for padding that is not zero.
std::optional<std::vector<uint8_t>> decode_base32768(std::string_view text);

}  // namespace laneway
