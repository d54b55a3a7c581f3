// The table of lanes: found by hash, gone when empty, never shared between partitions, whatever collides. The random
// test compares it with a std::map, hashes chosen so that probe chains are long and wrap around.
#include "core/lanes.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace laneway {
namespace {

std::vector<uint32_t> drain(Lanes& lanes, LaneList& list) {
  std::vector<uint32_t> order;
  while (!list.empty()) order.push_back(lanes.pop_front(list));
  return order;
}

TEST(Lanes, OneHashIsOneLane) {
  Lanes lanes;
  bool created = false;
  const uint32_t first = lanes.find_or_create(42, 0, created);
  EXPECT_TRUE(created);
  EXPECT_EQ(lanes.find_or_create(42, 0, created), first);
  EXPECT_FALSE(created);
  EXPECT_NE(lanes.find_or_create(43, 0, created), first);
  EXPECT_EQ(lanes.count(), 2U);
}

TEST(Lanes, EqualHashesOfTwoPartitionsAreTwoLanes) {
  Lanes lanes;
  bool created = false;
  const uint32_t first = lanes.find_or_create(42, 0, created);
  const uint32_t second = lanes.find_or_create(42, 1, created);
  EXPECT_TRUE(created);
  EXPECT_NE(first, second);
  lanes.release(first);
  EXPECT_EQ(lanes.find_or_create(42, 1, created), second);
  EXPECT_FALSE(created);
}

TEST(Lanes, ALaneAloneIsNeverFound) {
  Lanes lanes;
  bool created = false;
  const uint32_t alone = lanes.create_alone(3);
  EXPECT_EQ(lanes.at(alone).partition, 3U);
  EXPECT_NE(lanes.find_or_create(0, 3, created), alone);
  EXPECT_TRUE(created);
  lanes.release(alone);
  EXPECT_EQ(lanes.count(), 1U);
}

TEST(Lanes, AReleasedLaneStartsAfreshWhenItsNumberIsUsedAgain) {
  Lanes lanes;
  bool created = false;
  const uint32_t lane = lanes.find_or_create(7, 0, created);
  lanes.at(lane).retry = true;
  lanes.at(lane).due_ms = 99;
  lanes.release(lane);
  EXPECT_EQ(lanes.at(lane).state, LaneState::kFree);
  const uint32_t again = lanes.find_or_create(8, 2, created);
  EXPECT_EQ(again, lane);
  EXPECT_FALSE(lanes.at(again).retry);
  EXPECT_EQ(lanes.at(again).partition, 2U);
  EXPECT_EQ(lanes.at(again).head, kNil);
}

TEST(Lanes, AListIsAFifoWithAFront) {
  Lanes lanes;
  std::vector<uint32_t> made;
  for (int i = 0; i < 4; ++i) made.push_back(lanes.create_alone(0));
  LaneList list;
  lanes.push_front(list, made[1]);
  lanes.push_back(list, made[2]);
  lanes.push_front(list, made[0]);
  lanes.push_back(list, made[3]);
  EXPECT_EQ(drain(lanes, list), made);
  EXPECT_EQ(list.tail, kNil);
  lanes.push_back(list, made[2]);
  EXPECT_EQ(drain(lanes, list), std::vector<uint32_t>{made[2]});
}

TEST(Lanes, AgreeWithAMapWhenHashesCollide) {
  std::mt19937_64 random(5);
  Lanes lanes;
  std::map<std::pair<uint64_t, uint32_t>, uint32_t> expected;
  for (int i = 0; i < 50'000; ++i) {
    // Few home buckets, at the end of the table too; two partitions with the same hashes.
    const uint64_t hash = (random() % 3 == 0 ? ~uint64_t{0} - random() % 40 : random() % 40) + (random() % 30 << 40);
    const auto partition = static_cast<uint32_t>(random() % 2);
    const auto found = expected.find({hash, partition});
    ASSERT_EQ(lanes.find(hash, partition), found == expected.end() ? kNil : found->second);
    if (found != expected.end() && random() % 2 == 0) {
      lanes.release(found->second);
      expected.erase(found);
      continue;
    }
    bool created = false;
    const uint32_t lane = lanes.find_or_create(hash, partition, created);
    ASSERT_EQ(created, found == expected.end());
    if (!created) {
      ASSERT_EQ(lane, found->second);
    }
    expected[{hash, partition}] = lane;
  }
  EXPECT_EQ(lanes.count(), expected.size());
  for (const auto& [name, lane] : expected) {
    bool created = false;
    EXPECT_EQ(lanes.find_or_create(name.first, name.second, created), lane);
    EXPECT_FALSE(created);
  }
}

TEST(Lanes, GrowBeyondTheFirstTable) {
  Lanes lanes;
  bool created = false;
  std::vector<uint32_t> made;
  for (uint64_t i = 0; i < 10'000; ++i) made.push_back(lanes.find_or_create(i * 0x9e3779b97f4a7c15ULL, 0, created));
  for (uint64_t i = 0; i < 10'000; ++i) {
    EXPECT_EQ(lanes.find_or_create(i * 0x9e3779b97f4a7c15ULL, 0, created), made[i]);
  }
  for (const uint32_t lane : made) lanes.release(lane);
  EXPECT_EQ(lanes.count(), 0U);
  // Memory follows what is in use: the numbers are used again.
  for (uint64_t i = 0; i < 10'000; ++i) lanes.find_or_create(i, 0, created);
  EXPECT_EQ(lanes.extent(), 10'000U);
}

}  // namespace
}  // namespace laneway
