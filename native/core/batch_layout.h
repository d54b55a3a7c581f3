// The flat layout in which a batch of messages crosses to JavaScript: one ArrayBuffer, columns first, payload last.
//
// N messages in R runs; a run is one lane's consecutive messages, in offset order, for one handler loop. All columns
// are naturally aligned because the 8-byte ones come first. ts/message-batch.ts mirrors this file; the two change
// together (ts/message-batch's test reads a batch that native code wrote).
//
//   byte 0              u32  N
//   byte 4              u32  R
//   byte 8              f64  first_lease: the lease id of message i is first_lease + i
//   byte 16             u32  1 where first_failures is there, else 0; 4 bytes of padding
//   byte 24             f64  offsets    [N]
//                       f64  timestamps [N]     ms since the epoch; -1 where the record has none
//                       f64  first_failures [N] ms since the epoch; -1: none. There only where a message has failed
//                       u32  slots      [N]     names the message in a settlement
//                       u32  data       [N]     byte position of the message's payload in the buffer
//                       i32  key_sizes  [N]     -1: null
//                       i32  value_sizes[N]     -1: null (a tombstone)
//                       u32  header_sizes[N]    bytes of the encoded headers; 0: none
//                       u32  attempts   [N]     1 for the first; 0: not to be run, because its key is poison
//                       u32  run_starts [R + 1] index of each run's first message; the last entry is N
//                       u32  run_partitions [R] partition id (RawConsumer.partition)
//   payload             per message: key bytes, value bytes, encoded headers; no padding
//
// Encoded headers: u32 count, then for each: u32 name size, i32 value size (-1: null), name (UTF-8), value.
// Integers in them are little-endian and unaligned. Multi-byte columns are in host order (little-endian hosts only;
// checked below).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace laneway {

static_assert(std::endian::native == std::endian::little, "the batch layout is little-endian");

struct BatchLayout {
  static constexpr size_t kHeaderBytes = 24;
  static constexpr size_t kBytesPerMessage = 2 * 8 + 6 * 4;

  size_t messages;
  size_t runs;
  bool any_failed = false;

  size_t offsets() const { return kHeaderBytes; }
  size_t timestamps() const { return offsets() + 8 * messages; }
  size_t first_failures() const { return timestamps() + 8 * messages; }
  size_t slots() const { return first_failures() + (any_failed ? 8 * messages : 0); }
  size_t data() const { return slots() + 4 * messages; }
  size_t key_sizes() const { return data() + 4 * messages; }
  size_t value_sizes() const { return key_sizes() + 4 * messages; }
  size_t header_sizes() const { return value_sizes() + 4 * messages; }
  size_t attempts() const { return header_sizes() + 4 * messages; }
  size_t run_starts() const { return attempts() + 4 * messages; }
  size_t run_partitions() const { return run_starts() + 4 * (runs + 1); }
  size_t payload() const { return run_partitions() + 4 * runs; }
};

}  // namespace laneway
