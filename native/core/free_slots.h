// Numbers of a pool that are free, of which the lowest is given out first.
//
// What is taken together then lies together, whatever the order in which it comes back: entries that are written,
// leased and settled one after the other are neighbours in memory, which the processor fetches ahead. With a stack
// their order becomes a random one for good after the first messages that come back in the order of their keys.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace laneway {

class FreeSlots {
 public:
  // The lowest; there must be one.
  uint32_t take() {
    while (filled_[first_] == 0) ++first_;
    const size_t word = first_ * kBits + static_cast<size_t>(std::countr_zero(filled_[first_]));
    const auto slot = static_cast<uint32_t>(word * kBits + static_cast<size_t>(std::countr_zero(free_[word])));
    free_[word] &= free_[word] - 1;
    if (free_[word] == 0) filled_[first_] &= filled_[first_] - 1;
    --count_;
    return slot;
  }
  void put(uint32_t slot) {
    const size_t word = slot / kBits;
    free_[word] |= uint64_t{1} << slot % kBits;
    filled_[word / kBits] |= uint64_t{1} << word % kBits;
    if (word / kBits < first_) first_ = word / kBits;
    ++count_;
  }
  // Numbers from `first` on, as many as `count`, are free, too; there are none above.
  void add(uint32_t first, uint32_t count) {
    const size_t words = (size_t{first} + count + kBits - 1) / kBits;
    free_.resize(words);
    filled_.resize((words + kBits - 1) / kBits);
    for (uint32_t i = 0; i < count; ++i) put(first + i);
  }
  bool empty() const { return count_ == 0; }

 private:
  static constexpr size_t kBits = 64;

  std::vector<uint64_t> free_;    // a bit for each number
  std::vector<uint64_t> filled_;  // a bit for each word of them that is not 0
  size_t first_ = 0;              // no word of filled_ before it has bits
  size_t count_ = 0;
};

}  // namespace laneway
