// Turns gap maps into commit metadata that this broker accepts, and committed metadata back into gap maps.
//
// Brokers limit metadata (offset.metadata.max.bytes, default 4096, counted in UTF-16 code units by Apache Kafka). The
// limit cannot be asked for without administrative rights, so it is learned: a refusal halves it, which also fits a
// broker that counts bytes. Used by the poll thread only.
#pragma once

#include <cstddef>
#include <string>

#include "core/confluent_codec.h"
#include "core/gap_map.h"
#include "core/gap_map_codec.h"
#include "core/result.h"
#include "zstd/zstd_frames.h"

namespace laneway {

enum class MetadataFormat { kNone, kLaneway, kConfluent };

// What committed metadata was, apart from what it said.
enum class SeenFormat { kNone, kLaneway, kConfluent, kForeign };

struct ReadMetadata {
  SeenFormat format = SeenFormat::kNone;
  GapMap map;  // of the offset alone where nothing could be read
  // METADATA_CORRUPT or METADATA_FOREIGN with an explanation; empty code when all is well.
  Failure failure;
};

// Reads any consumer's metadata; never fails: what cannot be read leaves the offset alone, which is always safe (P7).
ReadMetadata read_metadata(Offset offset, const std::string& text);

class MetadataWriter {
 public:
  struct Written {
    EncodedMetadata metadata;
    // The map was cut, or is so near the limit that nothing should be started above the highest settled offset.
    bool near_limit = false;
    // Well below the limit again.
    bool has_room = true;
  };

  MetadataWriter(MetadataFormat format, Carrier carrier, size_t max_units)
      : format_(format), carrier_(carrier), limit_(max_units) {}

  Written write(const GapMap& map) const;
  // The broker refused `units`; the next text is at most half as long.
  void refused(size_t units);
  size_t limit() const { return limit_; }

 private:
  MetadataFormat format_;
  Carrier carrier_;
  size_t limit_;
};

}  // namespace laneway
