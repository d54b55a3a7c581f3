// Ready lanes come out by the age of their first messages, in bands, and none is lost on the way.
#include "core/ready_lanes.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace laneway {
namespace {

constexpr Offset kBand = ReadyLanes::kBandOffsets;

struct Ready {
  Lanes lanes;
  ReadyLanes ready;
  std::map<uint32_t, Offset> heads;

  uint32_t add(Offset head) {
    const uint32_t lane = lanes.create_alone(0);
    heads[lane] = head;
    ready.add(lanes, lane, head);
    return lane;
  }
  Offset remove_first() { return heads.at(ready.remove_first(lanes)); }
  std::vector<Offset> drain() {
    std::vector<Offset> order;
    while (!ready.empty()) order.push_back(remove_first());
    return order;
  }
};

TEST(ReadyLanes, TheOldestBandGoesFirstAndWithinABandTheFirstToCome) {
  Ready test;
  test.add(0);
  for (const Offset head : {5 * kBand, 2 * kBand + 9, 2 * kBand, kBand}) test.add(head);
  EXPECT_EQ(test.drain(), (std::vector<Offset>{0, kBand, 2 * kBand + 9, 2 * kBand, 5 * kBand}));
}

TEST(ReadyLanes, OlderThanAllOthersGoesWithTheFirstBand) {
  Ready test;
  for (const Offset head : {7 * kBand, 8 * kBand, kBand}) test.add(head);
  EXPECT_EQ(test.drain(), (std::vector<Offset>{7 * kBand, kBand, 8 * kBand}));
}

TEST(ReadyLanes, FarAheadWaitsForWhatIsBefore) {
  Ready test;
  for (const Offset head : {Offset{0}, kMaxOffset, 3 * kBand}) test.add(head);
  EXPECT_EQ(test.drain(), (std::vector<Offset>{0, 3 * kBand, kMaxOffset}));
  test.add(4 * kBand);
  EXPECT_EQ(test.drain(), std::vector<Offset>{4 * kBand}) << "lower offsets than before, after a truncated log";
}

TEST(ReadyLanes, OneIsPutFirst) {
  Ready test;
  for (const Offset head : {kBand, Offset{3}, 2 * kBand}) test.add(head);
  const auto is_lower = [&](uint32_t one, uint32_t other) { return test.heads.at(one) < test.heads.at(other); };
  test.ready.add_first(test.lanes, test.ready.remove_least(test.lanes, is_lower));
  EXPECT_EQ(test.drain(), (std::vector<Offset>{3, kBand, 2 * kBand}));
}

TEST(ReadyLanes, AnyOneIsRemoved) {
  for (const size_t place : {0U, 1U, 2U, 3U}) {
    Ready test;
    std::vector<uint32_t> lanes;
    std::vector<Offset> heads = {3, 4, 5, 2 * kBand};
    for (const Offset head : heads) lanes.push_back(test.add(head));
    test.ready.remove(test.lanes, lanes[place]);
    heads.erase(heads.begin() + static_cast<std::ptrdiff_t>(place));
    EXPECT_EQ(test.drain(), heads);
  }
}

TEST(ReadyLanes, LanesWithoutMessagesAreForgotten) {
  Ready test;
  const uint32_t filled = test.add(kBand);
  test.add(kBand);
  test.add(9 * kBand);
  test.lanes.at(filled).head = 1;
  test.ready.drop_empty(test.lanes);
  EXPECT_EQ(test.drain(), std::vector<Offset>{kBand});
}

// As in a consumer: heads move on within a window, in which none may be passed over.
TEST(ReadyLanes, InAWindowThatMovesNoneIsLostOrOvertakenByABand) {
  Ready test;
  std::mt19937_64 random(7);
  std::multimap<Offset, int> waiting;
  Offset newest = 0;
  const auto add = [&] {
    newest += static_cast<Offset>(random() % 40);
    test.add(newest);
    waiting.emplace(newest, 0);
  };
  for (int i = 0; i < 200; ++i) add();
  for (int i = 0; i < 20'000; ++i) {
    const Offset head = test.remove_first();
    ASSERT_LT(head - waiting.begin()->first, kBand);
    ASSERT_NE(waiting.find(head), waiting.end());
    waiting.erase(waiting.find(head));
    add();
  }
  EXPECT_EQ(test.drain().size(), waiting.size());
}

}  // namespace
}  // namespace laneway
