// Feeds Confluent's metadata format: hostile text, hostile bytes behind valid base64 and behind a valid zstd frame, and
// maps that must come back: those built from the input as well as whatever was read from it.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/base64.h"
#include "core/confluent_codec.h"
#include "zstd/zstd_frames.h"

namespace {

using namespace laneway;

// Longer maps are read only: writing them takes the time of thousands of other inputs.
constexpr int64_t kMaxRewritten = 1 << 16;

void require(bool holds) {
  if (!holds) std::abort();
}

void decode_text(std::string_view text) {
  const auto decoded = decode_confluent_map(100, text, ZstdFrameCodec());
  if (!decoded) return;
  require(decoded->length <= kMaxGapMapLength);
  require(decoded->settled.size() == static_cast<size_t>((decoded->length + 63) / 64));
  if (decoded->empty() || decoded->length > kMaxRewritten) return;
  const EncodedMetadata again = encode_confluent_map(*decoded, ZstdFrameCodec(), SIZE_MAX);
  const auto read = decode_confluent_map(100, again.text, ZstdFrameCodec());
  require(read && *read == *decoded);
}

// The input as the payload of one of the compressed encodings.
void decode_compressed(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes = ZstdFrameCodec().compress({data + 1, data + size});
  bytes.insert(bytes.begin(), static_cast<uint8_t>("asJp"[data[0] % 4]));
  decode_text(encode_base64(bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  decode_text({reinterpret_cast<const char*>(data), size});
  decode_text(encode_base64({data, size}));
  decode_compressed(data, size);
  GapMap map;
  for (size_t i = 0; i < size; ++i) map.append_run((data[i] >> 1) + 1, (data[i] & 1) != 0);
  const EncodedMetadata encoded = encode_confluent_map(map, ZstdFrameCodec(), 4'096);
  require(encoded.units <= 4'096);
  if (encoded.text.empty()) return 0;
  const auto decoded = decode_confluent_map(0, encoded.text, ZstdFrameCodec());
  require(decoded && *decoded == (encoded.covered == map.length ? map : map.prefix(encoded.covered)));
  return 0;
}
