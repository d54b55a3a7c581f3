// Feeds the reader of zstd frames: hostile frames under a limit that must hold, valid frames that must come back, cut
// ones and ones with something after them, which must be refused.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "zstd/zstd_frames.h"

namespace {

using namespace laneway;

// Less than what the Confluent codec allows, so that an input may reach it.
constexpr size_t kMaxSize = size_t{1} << 20;

void require(bool holds) {
  if (!holds) std::abort();
}

void decompress(const std::vector<uint8_t>& frame, size_t max_size) {
  const auto plain = ZstdFrameCodec().decompress(frame.data(), frame.size(), max_size);
  if (plain) require(plain->size() <= max_size);
}

void round_trip(const std::vector<uint8_t>& plain) {
  const ZstdFrameCodec codec;
  std::vector<uint8_t> frame = codec.compress(plain);
  const auto read = codec.decompress(frame.data(), frame.size(), plain.size());
  require(read && *read == plain);
  if (!plain.empty()) require(!codec.decompress(frame.data(), frame.size(), plain.size() - 1));
  const size_t cut = plain.empty() ? 0 : plain.back() % frame.size();
  require(!codec.decompress(frame.data(), cut, plain.size()));
  frame.push_back(0);
  require(!codec.decompress(frame.data(), frame.size(), plain.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> bytes(data, data + size);
  decompress(bytes, kMaxSize);
  decompress(bytes, size);
  round_trip(bytes);
  return 0;
}
