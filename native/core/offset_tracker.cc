// See offset_tracker.h. Words are addressed by offset / 64 modulo the ring, so that neither settling nor advancing
// moves any memory; a word is cleared when the committable offset leaves it.
#include "core/offset_tracker.h"

#include <algorithm>
#include <bit>

namespace laneway {

namespace {
constexpr size_t kInitialWords = 16;
// A ring that has grown beyond this is given back when nothing is outstanding.
constexpr size_t kKeptWords = 4096;
}  // namespace

OffsetTracker::OffsetTracker(int64_t max_window) : max_window_(std::max<int64_t>(max_window, 64)) { start(); }

void OffsetTracker::start() {
  words_.assign(kInitialWords, 0);
  mask_ = kInitialWords - 1;
  base_ = position_ = highest_ = pending_end_ = -1;
  holes_ = 0;
}

void OffsetTracker::restore(const GapMap& map) {
  start();
  base_ = position_ = map.base;
  highest_ = base_ - 1;
  const int64_t length = std::min(map.length, max_window_);
  for (int64_t i = 0; i < length; i += 64) {
    uint64_t bits = map.settled[static_cast<size_t>(i / 64)];
    if (length - i < 64) bits &= (uint64_t{1} << (length - i)) - 1;
    if (bits == 0) continue;
    const Offset at = base_ + i;
    const Offset last = at + 63 - std::countl_zero(bits);
    reserve(last);
    const int shift = static_cast<int>(at & 63);
    word(at) |= bits << shift;
    if (shift != 0 && (bits >> (64 - shift)) != 0) word(at + 64) |= bits >> (64 - shift);
    highest_ = last;
  }
}

OffsetTracker::Delivery OffsetTracker::deliver(Offset offset) {
  if (!started()) {
    base_ = position_ = offset;
    highest_ = offset - 1;
  }
  if (offset < position_) return Delivery::kRewound;
  if (!idle() && !fits(offset)) return Delivery::kWindowFull;
  // A message below an end that is still pending means that the log was truncated since; above it, it says the same.
  pending_end_ = -1;
  skip_to(offset);
  position_ = offset + 1;
  if (!is_set(offset)) return Delivery::kNew;
  advance();
  return Delivery::kAlreadySettled;
}

bool OffsetTracker::settle(Offset offset) {
  if (offset < base_ || offset >= position_ || is_set(offset)) return false;
  if (offset == base_ && highest_ < base_) {
    // The common case of messages that settle in order: no bit is ever written.
    move_to(base_ + 1);
  } else {
    set_range(offset, offset + 1);
    if (offset == base_) advance();
  }
  if (pending_end_ >= 0) reach_end(pending_end_);
  return true;
}

void OffsetTracker::rewind(Offset to) {
  pending_end_ = -1;
  if (to <= base_) {
    const int64_t holes = holes_;
    start();
    holes_ = holes;
    base_ = position_ = to;
    highest_ = to - 1;
    return;
  }
  const GapMap kept = snapshot().prefix(to - base_);
  const int64_t holes = holes_;
  restore(kept);
  holes_ = holes;
  position_ = to;
}

void OffsetTracker::reach_end(Offset end) {
  if (!started()) {
    base_ = position_ = end;
    highest_ = end - 1;
  }
  if (end <= position_) {
    pending_end_ = -1;
    return;
  }
  if (!idle() && !fits(end - 1)) {
    pending_end_ = end;
    return;
  }
  pending_end_ = -1;
  skip_to(end);
}

GapMap OffsetTracker::snapshot() const {
  GapMap map;
  map.base = std::max<Offset>(base_, 0);
  if (!started() || highest_ < base_) return map;
  map.length = highest_ - base_ + 1;
  map.settled.resize(static_cast<size_t>((map.length + 63) / 64));
  const int shift = static_cast<int>(base_ & 63);
  for (size_t i = 0; i < map.settled.size(); ++i) {
    const Offset at = base_ + static_cast<Offset>(i) * 64;
    uint64_t bits = word(at) >> shift;
    if (shift != 0 && ((at + 63) >> 6) <= (highest_ >> 6)) bits |= word(at + 63) << (64 - shift);
    map.settled[i] = bits;
  }
  if (map.length % 64 != 0) map.settled.back() &= (uint64_t{1} << (map.length % 64)) - 1;
  return map;
}

bool OffsetTracker::is_set(Offset offset) const {
  return offset <= highest_ && (word(offset) >> (offset & 63) & 1) != 0;
}

// Grows the ring until `offset` has a word of its own next to base_'s.
void OffsetTracker::reserve(Offset offset) {
  const size_t needed = static_cast<size_t>((offset >> 6) - (base_ >> 6)) + 1;
  if (needed <= words_.size()) return;
  const size_t size = std::bit_ceil(needed);
  std::vector<uint64_t> grown(size, 0);
  for (Offset at = base_ >> 6; at <= highest_ >> 6; ++at) {
    grown[static_cast<size_t>(at) & (size - 1)] = words_[static_cast<size_t>(at) & mask_];
  }
  words_ = std::move(grown);
  mask_ = size - 1;
}

// Marks [from, to) settled.
void OffsetTracker::set_range(Offset from, Offset to) {
  reserve(to - 1);
  for (Offset at = from; at < to;) {
    const Offset next = std::min(to, (at | 63) + 1);
    const uint64_t count = static_cast<uint64_t>(next - at);
    const uint64_t ones = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    word(at) |= ones << (at & 63);
    at = next;
  }
  highest_ = std::max(highest_, to - 1);
}

// Makes `base` the committable offset and clears every bit below it.
void OffsetTracker::move_to(Offset base) {
  if (highest_ >= base_) {
    const Offset last_whole = std::min((base >> 6) - 1, highest_ >> 6);
    for (Offset at = base_ >> 6; at <= last_whole; ++at) words_[static_cast<size_t>(at) & mask_] = 0;
    if ((base & 63) != 0 && (base >> 6) <= (highest_ >> 6)) word(base) &= ~uint64_t{0} << (base & 63);
  }
  base_ = base;
  if (highest_ < base_) highest_ = base_ - 1;
  position_ = std::max(position_, base_);
  if (highest_ < base_ && words_.size() > kKeptWords) {
    words_.assign(kInitialWords, 0);
    words_.shrink_to_fit();
    mask_ = kInitialWords - 1;
  }
}

// Moves the committable offset over what is settled. Never beyond the position: settled offsets that recovery knows of
// and the log has not delivered yet are passed when they are.
void OffsetTracker::advance() {
  Offset base = base_;
  while (base < position_ && base <= highest_) {
    const uint64_t unsettled = ~(word(base) >> (base & 63));
    const Offset run = std::min<Offset>(std::countr_zero(unsettled), 64 - (base & 63));
    base += run;
    if ((base & 63) != 0 || run == 0) break;
  }
  base = std::min(base, position_);
  if (base > base_) move_to(base);
}

// The log has nothing in [position_, offset): holes, but for what recovery already knows as settled.
void OffsetTracker::skip_to(Offset offset) {
  if (offset == position_) return;
  holes_ += offset - position_;
  if (idle()) {
    move_to(offset);
    return;
  }
  set_range(position_, offset);
  position_ = offset;
}

}  // namespace laneway
