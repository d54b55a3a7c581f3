// base64 of RFC 4648 with padding, strict when reading: what Confluent's library writes, and the carrier for brokers
// whose metadata must be ASCII.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace laneway {

std::string encode_base64(std::span<const uint8_t> bytes);
// nullopt for a foreign character, a wrong length, wrong padding, or bits under the padding that are not zero.
std::optional<std::vector<uint8_t>> decode_base64(std::string_view text);

}  // namespace laneway
