/* What the two benchmark programs share: clocks, numbers and -X settings from the command line, and dying with a
 * reason. */
#ifndef LANEWAY_BENCH_PROGRAM_H
#define LANEWAY_BENCH_PROGRAM_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "rdkafka.h"

static inline void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static inline double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* User and system time of the whole process, all threads. */
static inline double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
         ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) / 1e6;
}

/* Peak resident set in KiB. */
static inline long max_rss_kib(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return usage.ru_maxrss / 1024;
#else
  return usage.ru_maxrss;
#endif
}

static inline void set_property(rd_kafka_conf_t* conf, const char* name, const char* value) {
  char reason[512];
  if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
    fail("%s=%s: %s", name, value, reason);
}

/* `pair` is name=value. */
static inline void set_property_pair(rd_kafka_conf_t* conf, const char* pair) {
  char name[256];
  const char* equals = strchr(pair, '=');
  if (equals == NULL || (size_t)(equals - pair) >= sizeof(name)) fail("-X takes name=value, not \"%s\"", pair);
  memcpy(name, pair, (size_t)(equals - pair));
  name[equals - pair] = '\0';
  set_property(conf, name, equals + 1);
}

static inline long whole_number(const char* option, const char* text) {
  char* end;
  long value = strtol(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value < 0) fail("%s takes a whole number, not \"%s\"", option, text);
  return value;
}

#endif
