// The lanes of one partition that may start, those with the oldest messages first.
//
// In turn, all keys would get on alike, whatever they have: those with most messages stay behind, hold back the
// committable offset, and are alone at the end, when there is nothing to run beside them. By the age of their first
// message, they get on as they should. Age counts in bands of offsets, a FIFO of lanes each, because a heap would cost
// the takes of empty handlers more than an exact order is worth to anyone: adding and removing take constant time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/gap_map.h"
#include "core/lanes.h"

namespace laneway {

class ReadyLanes {
 public:
  bool empty() const { return count_ == 0; }
  size_t count() const { return count_; }
  // `head`: the offset of the lane's first message.
  void add(Lanes& lanes, uint32_t lane, Offset head);
  // Goes before all others.
  void add_first(Lanes& lanes, uint32_t lane);
  // There must be one.
  uint32_t remove_first(Lanes& lanes);
  // Removes the lane that is `before` all others; there must be one.
  template <typename Before>
  uint32_t remove_least(Lanes& lanes, Before before);
  // It must be one of them.
  void remove(Lanes& lanes, uint32_t lane) {
    remove_least(lanes, [lane](uint32_t one, uint32_t) { return one == lane; });
  }
  // Forgets lanes that have no messages.
  void drop_empty(Lanes& lanes);

  // Lanes whose first messages are as near as this start in the order in which they became ready.
  static constexpr Offset kBandOffsets = 128;

 private:
  static constexpr Offset kBands = 64;

  static size_t place_of(Offset band) { return static_cast<size_t>(band % kBands); }
  // Where the band that goes first has its place; there must be one.
  size_t first_place();
  void update(size_t place);

  // A ring. What is older than the first band is in it; what is beyond the last is in that.
  std::array<LaneList, kBands> bands_;
  uint64_t filled_ = 0;  // by place
  size_t count_ = 0;
  Offset first_ = 0;  // no band before it has lanes
};

template <typename Before>
uint32_t ReadyLanes::remove_least(Lanes& lanes, Before before) {
  uint32_t least = kNil;
  uint32_t before_least = kNil;
  size_t place_of_least = 0;
  for (size_t place = 0; place < bands_.size(); ++place) {
    uint32_t previous = kNil;
    for (uint32_t lane = bands_[place].head; lane != kNil; lane = lanes.at(lane).next) {
      if (least == kNil || before(lane, least)) {
        least = lane;
        before_least = previous;
        place_of_least = place;
      }
      previous = lane;
    }
  }
  lanes.remove_after(bands_[place_of_least], before_least);
  update(place_of_least);
  --count_;
  return least;
}

}  // namespace laneway
