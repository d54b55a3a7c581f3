// Memory for the bytes of buffered messages: slabs of one size, filled front to back and given back as a whole.
//
// Messages settle in another order than they came, so that one stalled message can keep a slab alive: when the pool is
// at its limit, the dispatcher moves the live messages of the emptiest slabs out (compaction). A message too large to
// share lives in a slab of its own. The pool has no lock; the dispatcher that owns it has one. A slab that is being
// filled belongs to the thread that fills it, which may write to it without the lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace laneway {

struct Slab {
  std::unique_ptr<std::byte[]> memory;
  size_t capacity = 0;
  // Bytes handed out; written by the filling thread only.
  size_t used = 0;
  // Messages in it that are not settled, and their bytes.
  uint32_t live_messages = 0;
  size_t live_bytes = 0;
  // Being filled, or filled with messages that are not published yet: neither freed nor compacted.
  bool filling = true;
  // Place in the pool's list.
  size_t index = 0;
};

// Written in front of each message's bytes, so that compaction finds what lives in a slab by walking it.
struct SlabRecord {
  uint32_t slot;
  uint32_t size;  // bytes of the message, without this header and without padding
};

inline constexpr size_t kSlabAlignment = alignof(SlabRecord);
// What a message of `size` bytes takes in a slab.
constexpr size_t slab_footprint(size_t size) {
  return (sizeof(SlabRecord) + size + kSlabAlignment - 1) & ~(kSlabAlignment - 1);
}

class SlabPool {
 public:
  // All slabs together stay below about twice the bytes that live in them (half-empty slabs) plus a few slabs; the
  // dispatcher enforces it by compaction before it asks for more. So a message that stays never costs more than twice
  // itself, and the slabs in use stay in the cache. `max_bytes`: the most that will live.
  explicit SlabPool(size_t max_bytes);

  size_t slab_bytes() const { return slab_bytes_; }
  // Messages with a larger footprint live alone.
  size_t shared_limit() const { return slab_bytes_ / 4; }
  // Bytes of all slabs in use.
  size_t used_bytes() const { return used_bytes_; }
  // True when another slab should not be taken before compaction was tried.
  bool at_limit() const { return used_bytes_ >= 2 * live_bytes_ + slack_bytes_; }

  // Never fails; marked as filling. Above the shared limit the slab holds one message, and no more bytes than that.
  Slab* acquire(size_t footprint);
  // Ends the filling; frees the slab when nothing in it lives.
  void seal(Slab* slab);
  // One message of `bytes` in it lives (no more). Freeing may destroy the slab.
  void add_live(Slab* slab, size_t bytes);
  void remove_live(Slab* slab, size_t bytes);
  // A sealed slab of which at most half lives, the emptiest; nullptr when there is none. Never one of a message that
  // lives alone: moving it would free nothing.
  Slab* emptiest() const;

 private:
  void release(Slab* slab);

  size_t slab_bytes_;
  size_t slack_bytes_;
  size_t used_bytes_ = 0;
  size_t live_bytes_ = 0;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::vector<std::unique_ptr<Slab>> spare_;
};

}  // namespace laneway
