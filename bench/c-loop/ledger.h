/* A ledger, as bench/contestants/ledger-writer.ts lays it out: who produced or handled which message, and when. Records
 * of 16 bytes, little-endian: u32 key number, u32 sequence number within the key twice plus one at an end, u64
 * microseconds since the epoch. Key and sequence number of a message are the first eight bytes of its value. */
#ifndef LANEWAY_BENCH_LEDGER_H
#define LANEWAY_BENCH_LEDGER_H

#include "program.h"

#define IDENTITY_BYTES 8
#define LEDGER_BUFFER_BYTES 65536

/* Which message of which key. */
struct identity {
  uint32_t key;
  uint32_t sequence;
};

static inline void put_u32(unsigned char* at, uint32_t number) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(number >> (8 * i));
}

static inline uint32_t get_u32(const unsigned char* at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline void put_identity(void* value, struct identity identity) {
  put_u32(value, identity.key);
  put_u32((unsigned char*)value + 4, identity.sequence);
}

static inline struct identity get_identity(const void* value, size_t length) {
  if (value == NULL || length < IDENTITY_BYTES) fail("a value of %zu bytes names no message", length);
  return (struct identity){get_u32(value), get_u32((const unsigned char*)value + 4)};
}

static inline uint64_t epoch_micros(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* `at_once`: every record is written by itself, so that it outlives a kill. */
static inline FILE* open_ledger(const char* path, int at_once) {
  FILE* ledger = fopen(path, "ab");
  if (ledger == NULL) fail("%s cannot be written", path);
  setvbuf(ledger, NULL, at_once ? _IONBF : _IOFBF, LEDGER_BUFFER_BYTES);
  return ledger;
}

static inline void write_record(FILE* ledger, struct identity identity, int ended, uint64_t micros) {
  unsigned char record[16];
  put_u32(record, identity.key);
  put_u32(record + 4, identity.sequence << 1 | (uint32_t)ended);
  put_u32(record + 8, (uint32_t)micros);
  put_u32(record + 12, (uint32_t)(micros >> 32));
  if (fwrite(record, sizeof(record), 1, ledger) != 1) fail("the ledger cannot be written");
}

static inline void close_ledger(FILE* ledger) {
  if (fclose(ledger) != 0) fail("the ledger cannot be written");
}

#endif
