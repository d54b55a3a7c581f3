// See ready_lanes.h.
#include "core/ready_lanes.h"

#include <algorithm>
#include <bit>

namespace laneway {

void ReadyLanes::add(Lanes& lanes, uint32_t lane, Offset head) {
  const Offset band = head / kBandOffsets;
  if (empty()) first_ = band;
  const size_t place = place_of(std::clamp(band, first_, first_ + kBands - 1));
  lanes.push_back(bands_[place], lane);
  update(place);
  ++count_;
}

void ReadyLanes::add_first(Lanes& lanes, uint32_t lane) {
  const size_t place = empty() ? place_of(first_) : first_place();
  lanes.push_front(bands_[place], lane);
  update(place);
  ++count_;
}

uint32_t ReadyLanes::remove_first(Lanes& lanes) {
  const size_t place = first_place();
  const uint32_t lane = lanes.pop_front(bands_[place]);
  update(place);
  --count_;
  return lane;
}

void ReadyLanes::drop_empty(Lanes& lanes) {
  for (size_t place = 0; place < bands_.size(); ++place) {
    LaneList kept;
    while (!bands_[place].empty()) {
      const uint32_t lane = lanes.pop_front(bands_[place]);
      if (lanes.at(lane).head != kNil) {
        lanes.push_back(kept, lane);
      } else {
        --count_;
      }
    }
    bands_[place] = kept;
    update(place);
  }
}

size_t ReadyLanes::first_place() {
  first_ += std::countr_zero(std::rotr(filled_, static_cast<int>(place_of(first_))));
  return place_of(first_);
}

void ReadyLanes::update(size_t place) {
  const uint64_t bit = uint64_t{1} << place;
  filled_ = bands_[place].empty() ? filled_ & ~bit : filled_ | bit;
}

}  // namespace laneway
