// See zstd_frames.h. Level 3 is the Java library's. It streams without knowing how much comes, so its frames hold no
// content size; here the size is known, which chooses smaller tables, and only left out of the frame. Decompression
// grows its output in steps and bounds the window, so that a frame that claims much costs no more than it holds.
#include "zstd/zstd_frames.h"

#include <zstd.h>

#include <algorithm>
#include <memory>

namespace laneway {

namespace {

constexpr int kLevel = 3;
constexpr size_t kStep = size_t{64} << 10;
// 8 MiB of history. The Java library's frames have 2 MiB; zstd would allow 128.
constexpr int kMaxWindowLog = 23;

struct FreeCompression {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompression {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

std::vector<uint8_t> ZstdFrameCodec::compress(const std::vector<uint8_t>& plain) const {
  const std::unique_ptr<ZSTD_CCtx, FreeCompression> context(ZSTD_createCCtx());
  if (!context) return {};
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 0);
  std::vector<uint8_t> frame(ZSTD_compressBound(plain.size()));
  const size_t written = ZSTD_compress2(context.get(), frame.data(), frame.size(), plain.data(), plain.size());
  frame.resize(ZSTD_isError(written) != 0 ? 0 : written);
  return frame;
}

std::optional<std::vector<uint8_t>> ZstdFrameCodec::decompress(const uint8_t* frame, size_t size,
                                                               size_t max_size) const {
  const std::unique_ptr<ZSTD_DCtx, FreeDecompression> context(ZSTD_createDCtx());
  if (!context) return std::nullopt;
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
  std::vector<uint8_t> plain;
  ZSTD_inBuffer input{frame, size, 0};
  while (true) {
    const size_t room = std::min(kStep, max_size + 1 - plain.size());
    const size_t at = plain.size();
    plain.resize(at + room);
    ZSTD_outBuffer output{plain.data() + at, room, 0};
    const size_t left = ZSTD_decompressStream(context.get(), &output, &input);
    plain.resize(at + output.pos);
    if (ZSTD_isError(left) != 0 || plain.size() > max_size) return std::nullopt;
    // Nothing may follow the frame.
    if (left == 0) return input.pos == input.size ? std::optional(std::move(plain)) : std::nullopt;
    // The frame is cut short: nothing to read and nothing came out.
    if (input.pos == input.size && output.pos < room) return std::nullopt;
  }
}

}  // namespace laneway
