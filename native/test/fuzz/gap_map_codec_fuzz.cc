// Feeds laneway's own metadata format: text as a hostile group member might have written it, hostile bytes in valid
// carriers, and maps built from the input, which must come back, alone of all texts one character away: whether that
// character is any byte or another of the carrier's own.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/base32768.h"
#include "core/base64.h"
#include "core/gap_map_codec.h"

namespace {

using namespace laneway;

void require(bool holds) {
  if (!holds) std::abort();
}

void decode_text(std::string_view text) {
  for (const Offset base : {Offset{0}, Offset{100}, kMaxOffset - 10}) {
    const auto decoded = decode_gap_map(base, text);
    if (!decoded) continue;
    require(decoded->base == base && decoded->length <= kMaxGapMapLength);
    require(decoded->settled.size() == static_cast<size_t>((decoded->length + 63) / 64));
  }
}

// One bit of what is carried, changed: the text stays one of the carrier's.
std::string with_carried_bit_changed(const std::string& text, size_t which) {
  const bool is_base64 = text[0] == '!';
  const std::string_view body = std::string_view(text).substr(1);
  std::vector<uint8_t> bytes = *(is_base64 ? decode_base64(body) : decode_base32768(body));
  bytes[which / 8 % bytes.size()] ^= static_cast<uint8_t>(1 << (which % 8));
  return text[0] + (is_base64 ? encode_base64(bytes) : encode_base32768(bytes));
}

void round_trip(const uint8_t* data, size_t size) {
  GapMap map;
  map.base = data[0] * Offset{1'000'003};
  for (size_t i = 1; i < size; ++i) map.append_run((data[i] >> 1) + 1, (data[i] & 1) != 0);
  const Carrier carrier = data[0] % 2 == 0 ? Carrier::kBase32768 : Carrier::kBase64;
  const size_t limit = data[0] % 3 == 0 ? data[0] : 4'096;
  const EncodedMetadata encoded = encode_gap_map(map, carrier, limit);
  require(encoded.units <= limit);
  if (encoded.text.empty()) return;
  const auto decoded = decode_gap_map(map.base, encoded.text);
  GapMap covered = encoded.covered == map.length ? map : map.prefix(encoded.covered);
  require(decoded && *decoded == covered);
  require(!decode_gap_map(map.base + 1, encoded.text));
  const std::string flipped = with_carried_bit_changed(encoded.text, data[size - 1] * size_t{257} + data[size / 2]);
  require(flipped == encoded.text || !decode_gap_map(map.base, flipped));
  std::string changed = encoded.text;
  changed[data[size - 1] % changed.size()] ^= static_cast<char>(1 << (data[0] % 6));
  const auto other = decode_gap_map(map.base, changed);
  require(!other || changed == encoded.text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  decode_text({reinterpret_cast<const char*>(data), size});
  decode_text("~" + std::string(reinterpret_cast<const char*>(data), size));
  decode_text("~" + encode_base32768({data, size}));
  decode_text("!" + encode_base64({data, size}));
  round_trip(data, size);
  return 0;
}
