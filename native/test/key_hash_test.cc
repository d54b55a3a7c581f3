// The hash that names a lane: equal inputs give equal hashes, every input counts, and keys spread evenly over the
// table's buckets. It reads exactly the key's bytes (the address sanitizer watches).
#include "core/key_hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace laneway {
namespace {

uint64_t hash_of(const std::string& key, uint64_t seed = 1, uint32_t partition = 0) {
  return key_hash(seed, partition, key.data(), key.size());
}

TEST(KeyHash, DependsOnTheSeedThePartitionAndEveryByte) {
  const std::string key(40, 'k');
  std::set<uint64_t> hashes{hash_of(key), hash_of(key, 2), hash_of(key, 1, 1)};
  for (size_t i = 0; i < key.size(); ++i) {
    std::string other = key;
    other[i] = 'x';
    hashes.insert(hash_of(other));
  }
  EXPECT_EQ(hashes.size(), 3 + key.size());
  EXPECT_EQ(hash_of(key), hash_of(std::string(40, 'k')));
}

TEST(KeyHash, TellsKeysOfZerosApartByTheirLength) {
  std::set<uint64_t> hashes;
  for (size_t size = 0; size < 100; ++size) hashes.insert(hash_of(std::string(size, '\0')));
  EXPECT_EQ(hashes.size(), 100U);
}

TEST(KeyHash, AnEmptyKeyNeedsNoBytes) { EXPECT_EQ(key_hash(1, 0, nullptr, 0), hash_of("")); }

TEST(KeyHash, ReadsNothingBesidesTheKey) {
  for (size_t size = 1; size < 70; ++size) {
    // Exactly as large as the key, so that the sanitizer sees one byte too many.
    const auto bytes = std::make_unique<char[]>(size);
    EXPECT_EQ(key_hash(1, 0, bytes.get(), size), hash_of(std::string(size, '\0')));
  }
}

TEST(KeyHash, SpreadsCountingKeysEvenlyOverTheLowBits) {
  constexpr size_t kBuckets = 1'024;
  constexpr size_t kKeys = 64 * kBuckets;
  std::vector<size_t> counts(kBuckets);
  for (size_t i = 0; i < kKeys; ++i) ++counts[hash_of("user-" + std::to_string(i)) % kBuckets];
  double chi_squared = 0;
  for (const size_t count : counts) {
    const double difference = static_cast<double>(count) - 64.0;
    chi_squared += difference * difference / 64.0;
  }
  // 1,023 degrees of freedom: mean 1,023, standard deviation 45. Fixed keys, so this never flickers.
  EXPECT_LT(chi_squared, 1'023 + 5 * 45);
}

TEST(KeyHash, OneBitOfTheKeyChangesAboutHalfTheBits) {
  size_t changed = 0;
  size_t tried = 0;
  for (size_t size = 1; size < 40; ++size) {
    const std::string key(size, 'a');
    for (size_t bit = 0; bit < size * 8; ++bit, ++tried) {
      std::string other = key;
      other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
      changed += static_cast<size_t>(std::popcount(hash_of(key) ^ hash_of(other)));
    }
  }
  const double average = static_cast<double>(changed) / static_cast<double>(tried);
  EXPECT_GT(average, 31.0);
  EXPECT_LT(average, 33.0);
}

}  // namespace
}  // namespace laneway
