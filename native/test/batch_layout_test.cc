// What Taker::write puts into a batch, read back by position: ts/message-batch.ts reads the same bytes with the same
// arithmetic.
#include "core/batch_layout.h"

#include <gtest/gtest.h>

#include "test/support/harness.h"

namespace laneway {
namespace {

// Takes one batch and keeps its bytes, with room after them to see that nothing is written there.
struct Bytes {
  explicit Bytes(Harness& harness, size_t max_messages = Harness::kAll) {
    count = harness.dispatcher.take(harness.taker, max_messages, Harness::kAnyBytes);
    size = harness.taker.batch_bytes();
    bytes.assign(size + 64, std::byte{0xEE});
    harness.taker.write(bytes.data());
    if (count != 0) harness.dispatcher.end_copy();
  }
  size_t count;
  size_t size;
  std::vector<std::byte> bytes;
};

TEST(BatchLayout, ColumnsFollowEachOtherAndTheWideOnesAreAligned) {
  for (size_t messages = 0; messages < 9; ++messages) {
    for (size_t runs = 0; runs <= messages; ++runs) {
      const BatchLayout at{messages, runs};
      EXPECT_EQ(at.offsets() % 8, 0U);
      EXPECT_EQ(at.timestamps() % 8, 0U);
      EXPECT_EQ(at.slots() % 4, 0U);
      EXPECT_EQ(at.payload(),
                BatchLayout::kHeaderBytes + messages * BatchLayout::kBytesPerMessage + 4 * (2 * runs + 1));
    }
  }
}

TEST(BatchLayout, EveryFieldArrivesWhereTheLayoutSaysItIs) {
  DispatcherOptions options;
  options.max_run_length = 2;
  Harness harness(options);
  harness.assign(0);
  harness.assign(3);
  harness.put({{10, "a", "one", "headers!"}, {11, "b", "two"}, {13, "a", "three"}, {20, "a", "four"}});
  harness.put({{9'007'199'254'740'980, "a", "far"}}, 3);
  const Bytes written(harness);
  ASSERT_EQ(written.count, 4U);  // the fourth is above the run length
  const BatchView batch(written.bytes.data());
  EXPECT_EQ(batch.messages(), 4U);
  ASSERT_EQ(batch.runs(), 3U);
  EXPECT_EQ(batch.run_start(0), 0U);
  EXPECT_EQ(batch.run_start(1), 2U);
  EXPECT_EQ(batch.run_start(2), 3U);
  EXPECT_EQ(batch.run_start(3), 4U);
  EXPECT_EQ(batch.run_partition(0), 0U);
  EXPECT_EQ(batch.run_partition(2), 3U);

  const auto taken = read_batch(written.bytes);
  EXPECT_EQ(offsets_of(taken), (std::vector<Offset>{10, 13, 11, 9'007'199'254'740'980}));
  EXPECT_EQ(taken[0].key, "a");
  EXPECT_EQ(taken[0].value, "one");
  EXPECT_EQ(taken[0].headers, "headers!");
  EXPECT_EQ(taken[1].value, "three");
  EXPECT_EQ(taken[1].headers, "");
  EXPECT_EQ(taken[3].value, "far");
  for (const Taken& message : taken) {
    EXPECT_EQ(message.attempt, 1U);
    EXPECT_EQ(message.timestamp_ms, message.offset + 7);
  }
}

TEST(BatchLayout, NullAndEmptyAreDifferent) {
  Harness harness;
  harness.assign();
  harness.put({{0, std::nullopt, std::nullopt}, {1, "", ""}, {2, "k", std::nullopt}, {3, std::nullopt, ""}});
  const auto taken = harness.take();
  ASSERT_EQ(taken.size(), 4U);
  EXPECT_EQ(taken[0].key, std::nullopt);
  EXPECT_EQ(taken[0].value, std::nullopt);
  EXPECT_EQ(taken[1].key, "");
  EXPECT_EQ(taken[1].value, "");
  EXPECT_EQ(taken[2].key, "k");
  EXPECT_EQ(taken[2].value, std::nullopt);
  EXPECT_EQ(taken[3].key, std::nullopt);
  EXPECT_EQ(taken[3].value, "");
}

TEST(BatchLayout, TheBatchEndsWhereItsSizeSays) {
  Harness harness;
  harness.assign();
  for (Offset offset = 0; offset < 50; ++offset) {
    harness.put({{offset, "k" + std::to_string(offset % 7), std::string(static_cast<size_t>(offset), 'x')}});
  }
  const Bytes written(harness);
  const BatchView batch(written.bytes.data());
  size_t end = batch.payload();
  for (size_t i = 0; i < batch.messages(); ++i) {
    EXPECT_EQ(batch.data(i), end) << "payloads follow each other without padding";
    end += batch.key(i)->size() + batch.value(i)->size();
  }
  EXPECT_EQ(end, written.size);
  for (size_t i = written.size; i < written.bytes.size(); ++i) EXPECT_EQ(written.bytes[i], std::byte{0xEE});
}

TEST(BatchLayout, ABatchOfNothingIsAHeader) {
  Harness harness;
  const Bytes written(harness);
  EXPECT_EQ(written.count, 0U);
  EXPECT_EQ(written.size, (BatchLayout{0, 0}.payload()));
  const BatchView batch(written.bytes.data());
  EXPECT_EQ(batch.messages(), 0U);
  EXPECT_EQ(batch.runs(), 0U);
}

TEST(BatchLayout, LeasesCountUpFromTheFirst) {
  Harness harness;
  harness.assign();
  harness.put(sent_range(0, 6, std::nullopt));
  const auto first = harness.take(2);
  const auto second = harness.take(4);
  EXPECT_EQ(first[1].lease, first[0].lease + 1);
  EXPECT_EQ(second[0].lease, first[1].lease + 1);
  harness.settle_all(second);
  EXPECT_EQ(harness.stats_of(0).in_flight, 2U);
}

}  // namespace
}  // namespace laneway
