// Committed metadata of every kind is read to something safe, and a refusing broker's limit is learned.
#include "kafka/metadata_writer.h"

#include <gtest/gtest.h>

namespace laneway {
namespace {

GapMap scattered() {
  std::vector<Offset> gaps;
  for (Offset offset = 100; offset < 20'000; offset += 2 + offset % 5) gaps.push_back(offset);
  return GapMap::from_gaps(100, 20'000, gaps);
}

TEST(ReadMetadata, ReadsBothFormatsAndNothing) {
  const GapMap map = scattered();
  const auto own = MetadataWriter(MetadataFormat::kLaneway, Carrier::kBase32768, 4'096).write(map);
  ReadMetadata read = read_metadata(100, own.metadata.text);
  EXPECT_EQ(read.format, SeenFormat::kLaneway);
  EXPECT_EQ(read.map, map);
  const auto confluent = MetadataWriter(MetadataFormat::kConfluent, Carrier::kBase64, 100'000).write(map);
  read = read_metadata(100, confluent.metadata.text);
  EXPECT_EQ(read.format, SeenFormat::kConfluent);
  EXPECT_EQ(read.map, map);
  read = read_metadata(100, "");
  EXPECT_EQ(read.format, SeenFormat::kNone);
  EXPECT_TRUE(read.map.empty());
  EXPECT_EQ(read.failure.code, "");
}

TEST(ReadMetadata, UsesTheOffsetAloneWhereMetadataIsCorruptOrForeign) {
  std::string corrupt =
      MetadataWriter(MetadataFormat::kLaneway, Carrier::kBase64, 4'096).write(scattered()).metadata.text;
  corrupt[corrupt.size() / 2] = corrupt[corrupt.size() / 2] == 'A' ? 'B' : 'A';
  const ReadMetadata damaged = read_metadata(100, corrupt);
  EXPECT_EQ(damaged.failure.code, "METADATA_CORRUPT");
  EXPECT_EQ(damaged.format, SeenFormat::kLaneway);
  for (const char* text : {"consumer-host-17", "AQAAAAA=", "\xff\xfe", "{\"note\": 1}"}) {
    const ReadMetadata foreign = read_metadata(100, text);
    EXPECT_EQ(foreign.failure.code, "METADATA_FOREIGN") << text;
    EXPECT_EQ(foreign.format, SeenFormat::kForeign);
    EXPECT_EQ(foreign.map.base, 100);
    EXPECT_TRUE(foreign.map.empty());
  }
  EXPECT_EQ(damaged.map.base, 100);
  EXPECT_TRUE(damaged.map.empty());
}

TEST(MetadataWriter, HalvesItsLimitWhenTheBrokerRefuses) {
  const GapMap map = scattered();
  MetadataWriter writer(MetadataFormat::kLaneway, Carrier::kBase32768, 4'096);
  const auto whole = writer.write(map);
  EXPECT_EQ(whole.metadata.covered, map.length);
  writer.refused(whole.metadata.units);
  const auto half = writer.write(map);
  EXPECT_LE(half.metadata.units, whole.metadata.units / 2);
  EXPECT_TRUE(half.near_limit);
  EXPECT_LT(half.metadata.covered, map.length);
  for (int i = 0; i < 20; ++i) writer.refused(writer.limit());
  EXPECT_EQ(writer.limit(), 0U);
  EXPECT_EQ(writer.write(map).metadata.text, "");
}

}  // namespace
}  // namespace laneway
