// Index entries of buffered messages: where a message's bytes are and where it stands in its lane.
//
// Entries live in chunks that never move, so that the ingest thread can fill entries that it reserved while other
// threads use the rest. A slot is an entry's number; it is reused, and what makes a settlement unambiguous is the lease
// id, which is given once in a dispatcher's life.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/free_slots.h"
#include "core/gap_map.h"
#include "core/slab.h"

namespace laneway {

inline constexpr uint32_t kNil = UINT32_MAX;

enum class MessageState : uint8_t {
  kFree,      // not in use, or reserved by the ingest thread
  kQueued,    // waits in its lane
  kLeased,    // handed to an engine
  kWithheld,  // leased to whoever delivers its dead letter; keeps its lane closed
};

struct Message {
  Offset offset;
  int64_t timestamp_ms;
  std::byte* data;  // key, value, encoded headers
  Slab* slab;
  uint64_t lease;      // 0: not leased
  int32_t key_size;    // -1: null
  int32_t value_size;  // -1: null
  uint32_t header_size;
  uint32_t lane;
  uint32_t next;  // in the lane; kNil at the tail
  uint16_t failed_attempts;
  MessageState state;
  uint8_t taker;

  size_t size() const {
    return static_cast<size_t>(key_size > 0 ? key_size : 0) + static_cast<size_t>(value_size > 0 ? value_size : 0) +
           header_size;
  }
};
static_assert(sizeof(Message) == 64, "one cache line");

class MessagePool {
 public:
  uint32_t acquire() {
    if (free_.empty()) grow();
    return free_.take();
  }
  void release(uint32_t slot) {
    Message& message = at(slot);
    message.state = MessageState::kFree;
    message.lease = 0;
    free_.put(slot);
  }
  Message& at(uint32_t slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  const Message& at(uint32_t slot) const { return chunks_[slot / kChunk][slot % kChunk]; }
  bool contains(uint32_t slot) const { return slot < chunks_.size() * kChunk; }

 private:
  static constexpr uint32_t kChunk = 1024;

  void grow() {
    const auto first = static_cast<uint32_t>(chunks_.size() * kChunk);
    chunks_.push_back(std::make_unique<Message[]>(kChunk));
    free_.add(first, kChunk);
  }

  std::vector<std::unique_ptr<Message[]>> chunks_;
  FreeSlots free_;
};

}  // namespace laneway
