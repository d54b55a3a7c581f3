// A seeded 64-bit hash of (partition, key): names a lane. A collision only makes two keys share a lane, so the seed is
// there against keys chosen to collide, not for correctness.
//
// The mixing step is the 64 x 64 -> 128 bit multiplication of wyhash (public domain, Wang Yi), two words at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace laneway {

namespace key_hash_detail {
inline uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}
inline uint64_t read(const unsigned char* from, size_t size) {
  uint64_t value = 0;
  if (size != 0) std::memcpy(&value, from, size);
  return value;
}
}  // namespace key_hash_detail

inline uint64_t key_hash(uint64_t seed, uint32_t partition, const void* key, size_t size) {
  using key_hash_detail::mix;
  using key_hash_detail::read;
  constexpr uint64_t kA = 0xa0761d6478bd642fULL;
  constexpr uint64_t kB = 0xe7037ed1a0b428dbULL;
  const auto* bytes = static_cast<const unsigned char*>(key);
  uint64_t state = mix(seed ^ kA, partition ^ kB);
  size_t left = size;
  for (; left > 16; left -= 16, bytes += 16) state = mix(read(bytes, 8) ^ kA, read(bytes + 8, 8) ^ state);
  const uint64_t low = read(bytes, left < 8 ? left : 8);
  const uint64_t high = left > 8 ? read(bytes + 8, left - 8) : 0;
  return mix(kB ^ size, mix(low ^ kB, high ^ state));
}

}  // namespace laneway
