// The breaker of poison keys: how often in a row each key has failed, over all its messages and attempts.
//
// A key that has failed `threshold` times in a row is open for the cool-down: its lane is parked, or its messages are
// not run at all (the dispatcher's choice). After it one attempt decides: a success forgets the key, a failure opens it
// again. Only keys that fail are kept, at most kMost of them, so that a key that never fails costs one comparison.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace laneway {

class KeyFailures {
 public:
  // A threshold of 0 switches it off.
  KeyFailures(uint32_t threshold, int64_t cool_down_ms) : threshold_(threshold), cool_down_ms_(cool_down_ms) {}

  void failed(uint64_t key, int64_t now_ms);
  void succeeded(uint64_t key) {
    if (!keys_.empty()) keys_.erase(key);
  }
  // When the key may run again; 0 where it may now.
  int64_t open_until(uint64_t key, int64_t now_ms) const;
  // Keys that have failed and not succeeded since.
  size_t count() const { return keys_.size(); }
  // Times that a key was opened.
  uint64_t openings() const { return openings_; }

 private:
  struct Failures {
    uint32_t in_a_row = 0;
    int64_t open_until_ms = 0;
  };

  static constexpr size_t kMost = 65'536;

  uint32_t threshold_;
  int64_t cool_down_ms_;
  uint64_t openings_ = 0;
  std::unordered_map<uint64_t, Failures> keys_;
};

}  // namespace laneway
