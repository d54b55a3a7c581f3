// Confluent's format, against 67 cases that the Java library itself has written (test/vectors).
#include "core/confluent_codec.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <random>
#include <string>

#include "core/base64.h"
#include "zstd/zstd_frames.h"

namespace laneway {
namespace {

struct Case {
  Offset base = 0;
  GapMap map;
  std::vector<std::pair<std::string, std::string>> encodings;
};

// Just enough of a reader for lines that a JSON library has written: "name": value, with numbers, a list of numbers and
// one object of strings.
class Line {
 public:
  explicit Line(const std::string& text) : text_(text) {}

  Offset number(const std::string& name) { return std::strtoll(after(name), nullptr, 10); }

  std::vector<Offset> numbers(const std::string& name) {
    std::vector<Offset> list;
    const char* at = after(name) + 1;
    while (*at != ']') {
      char* end = nullptr;
      list.push_back(std::strtoll(at, &end, 10));
      at = end;
      while (*at == ',' || *at == ' ') ++at;
    }
    return list;
  }

  std::vector<std::pair<std::string, std::string>> strings(const std::string& name) {
    std::vector<std::pair<std::string, std::string>> list;
    std::string object(after(name));
    object = object.substr(1, object.find('}') - 1);
    size_t at = 0;
    const auto next = [&] {
      const size_t from = object.find('"', at) + 1;
      const size_t to = object.find('"', from);
      at = to + 1;
      return object.substr(from, to - from);
    };
    while (object.find('"', at) != std::string::npos) {
      const std::string key = next();
      list.emplace_back(key, next());
    }
    return list;
  }

 private:
  const char* after(const std::string& name) const {
    const size_t at = text_.find("\"" + name + "\":");
    if (at == std::string::npos) throw std::runtime_error("no " + name);
    return text_.c_str() + at + name.size() + 3;
  }
  const std::string& text_;
};

std::vector<Case> cases() {
  std::vector<Case> list;
  gzFile file = gzopen(LANEWAY_VECTORS_DIR "/confluent-offset-metadata.jsonl.gz", "rb");
  std::string content;
  char buffer[65'536];
  for (int size = gzread(file, buffer, sizeof buffer); size > 0; size = gzread(file, buffer, sizeof buffer)) {
    content.append(buffer, static_cast<size_t>(size));
  }
  gzclose(file);
  for (size_t at = 0; at < content.size();) {
    const size_t end = std::min(content.find('\n', at), content.size());
    const std::string text = content.substr(at, end - at);
    at = end + 1;
    Line line(text);
    Case each;
    each.base = line.number("base");
    const Offset highest = std::max(line.number("highestSucceeded"), each.base - 1);
    std::vector<Offset> gaps;
    for (const Offset offset : line.numbers("incompletes")) {
      if (offset >= each.base && offset <= highest) gaps.push_back(offset);
    }
    each.map = GapMap::from_gaps(each.base, highest, gaps);
    each.encodings = line.strings("encodings");
    list.push_back(std::move(each));
  }
  return list;
}

TEST(ConfluentCodec, ReadsEveryStringOfTheJavaLibraryToExactlyItsGaps) {
  const auto all = cases();
  ASSERT_EQ(all.size(), 67U);
  size_t strings = 0;
  for (const Case& each : all) {
    for (const auto& [name, text] : each.encodings) {
      const auto decoded = decode_confluent_map(each.base, text, ZstdFrameCodec());
      ASSERT_TRUE(decoded) << name << " " << decoded.failure().message;
      ASSERT_EQ(*decoded, each.map) << name << " at " << each.base;
      EXPECT_TRUE(is_confluent_metadata(text));
      ++strings;
    }
  }
  EXPECT_GE(strings, 67U * 2);
}

TEST(ConfluentCodec, WritesWhatReadsTheSame) {
  for (const Case& each : cases()) {
    const EncodedMetadata encoded = encode_confluent_map(each.map, ZstdFrameCodec(), SIZE_MAX);
    if (each.map.empty()) {
      EXPECT_EQ(encoded.text, "");
      continue;
    }
    EXPECT_EQ(encoded.covered, each.map.length);
    const auto decoded = decode_confluent_map(each.base, encoded.text, ZstdFrameCodec());
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, each.map);
    // Not longer than the best of the plain strings: bytes differ only where zstd does.
    for (const auto& [name, text] : each.encodings) {
      if (name.find("Compressed") == std::string::npos && name.find("Zstd") == std::string::npos) {
        EXPECT_LE(encoded.text.size(), text.size()) << name;
      }
    }
  }
}

TEST(ConfluentCodec, CutsFromTheTopToTheLimit) {
  std::vector<Offset> gaps;
  for (Offset offset = 0; offset < 60'000; offset += 1 + offset % 7) gaps.push_back(offset);
  const GapMap map = GapMap::from_gaps(0, 60'000, gaps);
  const EncodedMetadata encoded = encode_confluent_map(map, ZstdFrameCodec(), 1'000);
  EXPECT_LE(encoded.units, 1'000U);
  EXPECT_GT(encoded.covered, 3'000);
  const auto decoded = decode_confluent_map(0, encoded.text, ZstdFrameCodec());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, map.prefix(encoded.covered));
}

TEST(ConfluentCodec, RefusesHostileInputWithATypedFailure) {
  const auto code = [](const std::vector<uint8_t>& bytes) {
    const auto decoded = decode_confluent_map(7, encode_base64(bytes), ZstdFrameCodec());
    return decoded ? "read" : decoded.failure().code;
  };
  EXPECT_EQ(code({0x6C, 0xFF, 0xFF}), "METADATA_CORRUPT");              // negative length
  EXPECT_EQ(code({0x6F, 0x7F, 0xFF, 0xFF, 0xFF}), "METADATA_CORRUPT");  // inflated length
  EXPECT_EQ(code({0x65, 0x7F, 0xFF, 0xFF, 0xFF}), "METADATA_CORRUPT");  // inflated run
  EXPECT_EQ(code({0x6E, 0x80, 0x00}), "METADATA_CORRUPT");              // negative run
  EXPECT_EQ(code({0x6C}), "METADATA_CORRUPT");                          // no length
  EXPECT_EQ(code({0x61, 1, 2, 3}), "METADATA_CORRUPT");                 // not a zstd frame
  EXPECT_EQ(code({0x01, 0, 0, 0}), "METADATA_FOREIGN");                 // Kafka Streams
  EXPECT_EQ(code({0x02, 0, 0, 0}), "METADATA_FOREIGN");
  for (const char* text : {"", "a", "hello!", "AAA", "~abc"}) {
    const auto decoded = decode_confluent_map(7, text, ZstdFrameCodec());
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.failure().code, "METADATA_FOREIGN");
  }
}

TEST(ConfluentCodec, CutsNearTheLimitWhateverTheDensity) {
  for (const int one_in : {2, 10, 100, 1'000}) {
    std::mt19937_64 random(5);
    std::vector<Offset> gaps;
    for (Offset offset = 0; offset < 600'000; ++offset) {
      if (random() % static_cast<uint64_t>(one_in) == 0) gaps.push_back(offset);
    }
    const GapMap map = GapMap::from_gaps(0, 600'000, gaps);
    for (const size_t limit : {size_t{50}, size_t{400}, size_t{4'096}}) {
      const EncodedMetadata encoded = encode_confluent_map(map, ZstdFrameCodec(), limit);
      EXPECT_LE(encoded.units, limit);
      EXPECT_EQ(encoded.units, encoded.text.size());
      const auto decoded = decode_confluent_map(0, encoded.text, ZstdFrameCodec());
      ASSERT_TRUE(decoded) << decoded.failure().message;
      EXPECT_EQ(*decoded, encoded.covered == map.length ? map : map.prefix(encoded.covered));
      // Where the limit is small, the next two runs may be what does not fit.
      if (encoded.covered < map.length && limit >= 400) {
        EXPECT_GE(static_cast<double>(encoded.units), 0.9 * static_cast<double>(limit)) << one_in << " to " << limit;
      }
    }
  }
  EXPECT_EQ(encode_confluent_map(GapMap::from_gaps(0, 9, std::vector<Offset>{0}), ZstdFrameCodec(), 3).text, "");
}

TEST(ConfluentCodec, WritesForeignMapsAsTheyAre) {
  GapMap map{.base = 8, .length = 0, .settled = {}};
  map.append_run(3, true);
  map.append_run(200, false);
  const EncodedMetadata encoded = encode_confluent_map(map, ZstdFrameCodec(), 4'096);
  EXPECT_EQ(encoded.covered, map.length);
  EXPECT_EQ(*decode_confluent_map(8, encoded.text, ZstdFrameCodec()), map);
}

TEST(ConfluentCodec, RefusesAMapThatLeavesTheRangeOfOffsets) {
  const char* five_offsets = "bAAFEgA=";
  EXPECT_TRUE(decode_confluent_map(kMaxOffset - 5, five_offsets, ZstdFrameCodec()));
  for (const Offset base : {Offset{-1}, kMaxOffset - 4, INT64_MAX - 2}) {
    const auto decoded = decode_confluent_map(base, five_offsets, ZstdFrameCodec());
    ASSERT_FALSE(decoded) << base;
    EXPECT_EQ(decoded.failure().code, "METADATA_CORRUPT");
  }
}

TEST(ConfluentCodec, RefusesAFrameThatUnpacksToMoreThanAnyMapNeeds) {
  for (const char magic : {'a', 's', 'J', 'p'}) {
    std::vector<uint8_t> bytes = ZstdFrameCodec().compress(std::vector<uint8_t>(size_t{5} << 20));
    ASSERT_LT(bytes.size(), 1'000U);
    bytes.insert(bytes.begin(), static_cast<uint8_t>(magic));
    const auto decoded = decode_confluent_map(0, encode_base64(bytes), ZstdFrameCodec());
    ASSERT_FALSE(decoded) << magic;
    EXPECT_EQ(decoded.failure().code, "METADATA_CORRUPT");
  }
}

TEST(ZstdFrames, HoldNoContentSizeAndNothingAfterTheirEnd) {
  const ZstdFrameCodec zstd;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{200}, size_t{100'000}}) {
    std::vector<uint8_t> plain(size);
    for (size_t i = 0; i < size; ++i) plain[i] = static_cast<uint8_t>(i / 3);
    std::vector<uint8_t> frame = zstd.compress(plain);
    ASSERT_GT(frame.size(), 5U);
    // Frame_Header_Descriptor of RFC 8878: content size flag, single segment, dictionary.
    EXPECT_EQ(frame[4] & 0b1110'0011, 0);
    EXPECT_EQ(zstd.decompress(frame.data(), frame.size(), size), plain);
    if (size > 0) {
      EXPECT_EQ(zstd.decompress(frame.data(), frame.size(), size - 1), std::nullopt);
    }
    EXPECT_EQ(zstd.decompress(frame.data(), frame.size() - 1, size), std::nullopt);
    frame.push_back(0);
    EXPECT_EQ(zstd.decompress(frame.data(), frame.size(), size), std::nullopt);
  }
}

TEST(ConfluentCodec, ReadsShortBitsetsAsUnsettledAndIgnoresWhatIsExtra) {
  const auto read = [](const std::vector<uint8_t>& bytes) {
    return *decode_confluent_map(10, encode_base64(bytes), ZstdFrameCodec());
  };
  EXPECT_EQ(read({0x6C, 0, 12, 0x01}).gap_count(), 11);
  EXPECT_EQ(read({0x6C, 0, 4, 0x0F, 0xFF, 0xFF}).gap_count(), 0);
  EXPECT_EQ(read({0x6E, 0, 2, 0, 3, 9}).highest(), 14);
}

}  // namespace
}  // namespace laneway
