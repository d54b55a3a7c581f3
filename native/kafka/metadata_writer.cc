// See metadata_writer.h.
#include "kafka/metadata_writer.h"

#include <algorithm>

namespace laneway {

namespace {

constexpr double kNearLimit = 0.9;
constexpr double kHasRoom = 0.7;
// Below this a gap map says too little to be worth its bytes.
constexpr size_t kMinUnits = 16;

const ZstdFrames& zstd() {
  static const ZstdFrameCodec frames;
  return frames;
}

ReadMetadata with(SeenFormat format, Offset offset, Result<GapMap> decoded) {
  if (decoded) return {format, std::move(*decoded), {}};
  ReadMetadata read;
  read.format = decoded.failure().code == "METADATA_FOREIGN" ? SeenFormat::kForeign : format;
  read.map.base = offset;
  read.failure = decoded.failure();
  return read;
}

}  // namespace

ReadMetadata read_metadata(Offset offset, const std::string& text) {
  if (text.empty()) {
    ReadMetadata read;
    read.map.base = offset;
    return read;
  }
  if (is_laneway_metadata(text)) return with(SeenFormat::kLaneway, offset, decode_gap_map(offset, text));
  return with(SeenFormat::kConfluent, offset, decode_confluent_map(offset, text, zstd()));
}

MetadataWriter::Written MetadataWriter::write(const GapMap& map) const {
  Written written;
  if (format_ == MetadataFormat::kNone || map.empty()) return written;
  written.metadata = format_ == MetadataFormat::kLaneway ? encode_gap_map(map, carrier_, limit_)
                                                         : encode_confluent_map(map, zstd(), limit_);
  const auto units = static_cast<double>(written.metadata.units);
  const auto limit = static_cast<double>(limit_);
  written.near_limit = written.metadata.covered < map.length || units > limit * kNearLimit;
  written.has_room = written.metadata.covered == map.length && units < limit * kHasRoom;
  return written;
}

void MetadataWriter::refused(size_t units) {
  limit_ = std::min(limit_, units) / 2;
  if (limit_ < kMinUnits) limit_ = 0;
}

}  // namespace laneway
