// Why nothing moves: the messages at the committable offsets, and those that engines have had longest. See
// dispatcher.h.
#include <algorithm>

#include "core/dispatcher.h"

namespace laneway {

namespace {

constexpr size_t kLanesPerLock = 4'096;
constexpr int32_t kMostKeyBytes = 256;

bool is_older(const StandingMessage& a, const StandingMessage& b) { return a.age_ms > b.age_ms; }

}  // namespace

Standing Dispatcher::standing(int64_t now_ms, size_t most_oldest) const {
  Standing standing;
  size_t extent = 0;
  for (size_t from = 0; from <= extent; from += kLanesPerLock) {
    const Lock lock(mutex_);
    extent = lanes_.extent();
    for (size_t number = from; number < std::min(from + kLanesPerLock, extent); ++number) {
      const Lane& lane = lanes_.at(static_cast<uint32_t>(number));
      if (lane.state == LaneState::kFree || lane.head == kNil) continue;
      // What lies below the committable offset is settled and gone, so that its message is the head of its lane.
      if (messages_.at(lane.head).offset == partitions_[lane.partition].tracker.committable()) {
        standing.blocking.push_back(describe(lane, now_ms));
      }
      if (lane.state != LaneState::kExecuting || most_oldest == 0) continue;
      const bool full = standing.oldest.size() == most_oldest;
      if (full && standing.oldest.front().age_ms >= now_ms - lane.since_ms) continue;
      if (full) {
        std::pop_heap(standing.oldest.begin(), standing.oldest.end(), is_older);
        standing.oldest.pop_back();
      }
      standing.oldest.push_back(describe(lane, now_ms));
      std::push_heap(standing.oldest.begin(), standing.oldest.end(), is_older);
    }
  }
  std::sort(standing.oldest.begin(), standing.oldest.end(), is_older);
  return standing;
}

StandingMessage Dispatcher::describe(const Lane& lane, int64_t now_ms) const {
  const Message& message = messages_.at(lane.head);
  const auto failed = first_failures_.find(lane.head);
  std::optional<std::string> key;
  if (message.key_size >= 0) {
    const auto size = static_cast<size_t>(std::min(message.key_size, kMostKeyBytes));
    key.emplace(reinterpret_cast<const char*>(message.data), size);
  }
  return {.partition = lane.partition,
          .offset = message.offset,
          .key = std::move(key),
          .attempt = message.failed_attempts + 1U,
          .state = lane.state,
          .age_ms = std::max<int64_t>(now_ms - lane.since_ms, 0),
          .failed_since_ms = failed == first_failures_.end() ? -1 : std::max<int64_t>(now_ms - failed->second, 0)};
}

}  // namespace laneway
