/* Which key the next message has: uniform, by Zipf's law (key 0 is the most frequent), or a few celebrities (the first
 * keys) with a fixed share of the traffic. Deterministic in the seed. */
#ifndef LANEWAY_BENCH_KEYS_H
#define LANEWAY_BENCH_KEYS_H

#include <math.h>

#include "program.h"

struct key_choice {
  uint64_t keys;
  double zipf_exponent;
  uint64_t celebrities;
  double celebrity_share;
  /* Of the keys up to this one; NULL unless by Zipf's law. */
  double* cumulative;
};

static inline uint64_t next_random(uint64_t* state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

/* In [0, 1). */
static inline double next_fraction(uint64_t* state) { return (double)(next_random(state) >> 11) * 0x1p-53; }

static inline void prepare_keys(struct key_choice* choice) {
  if (choice->zipf_exponent == 0) return;
  choice->cumulative = malloc(choice->keys * sizeof(double));
  if (choice->cumulative == NULL) fail("no memory for %llu keys", (unsigned long long)choice->keys);
  double total = 0;
  for (uint64_t i = 0; i < choice->keys; i++) {
    total += pow((double)(i + 1), -choice->zipf_exponent);
    choice->cumulative[i] = total;
  }
  for (uint64_t i = 0; i < choice->keys; i++) choice->cumulative[i] /= total;
}

static inline uint64_t zipf_key(const struct key_choice* choice, double fraction) {
  uint64_t low = 0;
  uint64_t high = choice->keys - 1;
  while (low < high) {
    uint64_t middle = (low + high) / 2;
    if (choice->cumulative[middle] > fraction)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static inline uint64_t next_key(const struct key_choice* choice, uint64_t* random) {
  if (choice->cumulative != NULL) return zipf_key(choice, next_fraction(random));
  if (choice->celebrities == 0) return next_random(random) % choice->keys;
  if (next_fraction(random) < choice->celebrity_share) return next_random(random) % choice->celebrities;
  return choice->celebrities + next_random(random) % (choice->keys - choice->celebrities);
}

#endif
