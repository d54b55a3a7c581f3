// See slab.h.
#include "core/slab.h"

#include <algorithm>

namespace laneway {

namespace {
constexpr size_t kMinSlabBytes = size_t{4} << 10;
constexpr size_t kMaxSlabBytes = size_t{256} << 10;
// Slabs kept for reuse: warm memory is worth more than a small footprint here.
constexpr size_t kMaxSpare = 16;
// Slabs that are being filled, or half run out, when nothing stays.
constexpr size_t kSlackSlabs = 4;
}  // namespace

SlabPool::SlabPool(size_t max_bytes)
    : slab_bytes_(std::clamp((max_bytes / 16) & ~size_t{4095}, kMinSlabBytes, kMaxSlabBytes)),
      slack_bytes_(slab_bytes_ * kSlackSlabs) {}

Slab* SlabPool::acquire(size_t footprint) {
  std::unique_ptr<Slab> slab;
  const bool alone = footprint > shared_limit();
  if (!alone && !spare_.empty()) {
    slab = std::move(spare_.back());
    spare_.pop_back();
    slab->used = 0;
    slab->filling = true;
  } else {
    slab = std::make_unique<Slab>();
    slab->capacity = alone ? footprint : slab_bytes_;
    slab->memory = std::make_unique_for_overwrite<std::byte[]>(slab->capacity);
  }
  slab->index = slabs_.size();
  used_bytes_ += slab->capacity;
  slabs_.push_back(std::move(slab));
  return slabs_.back().get();
}

void SlabPool::seal(Slab* slab) {
  slab->filling = false;
  if (slab->live_messages == 0) release(slab);
}

void SlabPool::add_live(Slab* slab, size_t bytes) {
  ++slab->live_messages;
  slab->live_bytes += bytes;
  live_bytes_ += bytes;
}

void SlabPool::remove_live(Slab* slab, size_t bytes) {
  --slab->live_messages;
  slab->live_bytes -= bytes;
  live_bytes_ -= bytes;
  if (slab->live_messages == 0 && !slab->filling) release(slab);
}

Slab* SlabPool::emptiest() const {
  Slab* best = nullptr;
  for (const auto& slab : slabs_) {
    if (slab->filling || slab->live_bytes > slab->capacity / 2) continue;
    if (best == nullptr || slab->live_bytes < best->live_bytes) best = slab.get();
  }
  return best;
}

void SlabPool::release(Slab* slab) {
  used_bytes_ -= slab->capacity;
  const size_t index = slab->index;
  std::unique_ptr<Slab> owned = std::move(slabs_[index]);
  if (index + 1 != slabs_.size()) {
    slabs_[index] = std::move(slabs_.back());
    slabs_[index]->index = index;
  }
  slabs_.pop_back();
  if (owned->capacity == slab_bytes_ && spare_.size() < kMaxSpare) spare_.push_back(std::move(owned));
}

}  // namespace laneway
