// See key_failures.h.
#include "core/key_failures.h"

namespace laneway {

void KeyFailures::failed(uint64_t key, int64_t now_ms) {
  if (threshold_ == 0) return;
  // Any one goes: it is counted anew from its next failure, which is only more patient.
  if (keys_.size() >= kMost && !keys_.contains(key)) keys_.erase(keys_.begin());
  Failures& failures = keys_[key];
  if (failures.in_a_row < threshold_) ++failures.in_a_row;
  if (failures.in_a_row < threshold_) return;
  failures.open_until_ms = now_ms + cool_down_ms_;
  ++openings_;
}

int64_t KeyFailures::open_until(uint64_t key, int64_t now_ms) const {
  if (keys_.empty()) return 0;
  const auto found = keys_.find(key);
  return found == keys_.end() || found->second.open_until_ms <= now_ms ? 0 : found->second.open_until_ms;
}

}  // namespace laneway
