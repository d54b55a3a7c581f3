/* Fills the benchmark's topic: N messages of a given size, keys uniform over a bounded set, partition by key hash.
 *
 * Values are a short JSON-like head, then random hexadecimal text: lz4 shrinks it a little, as it does with real
 * events, and does not fold the topic into nothing. The same seed gives the same messages. Prints one JSON line with
 * the checksum that consumers must arrive at.
 *
 *   laneway_c_produce -b BROKERS -t TOPIC [-n MESSAGES] [-s BYTES] [-k KEYS] [-r SEED] [-X name=value]...
 */
#include <inttypes.h>
#include <unistd.h>

#include "program.h"

#define MAX_VALUE_BYTES (900 * 1024)
#define FLUSH_MS (120 * 1000)

static long delivered;
static long refused;

static void on_delivery(rd_kafka_t* rk, const rd_kafka_message_t* message, void* opaque) {
  (void)rk;
  (void)opaque;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    delivered++;
    return;
  }
  if (refused++ == 0) fprintf(stderr, "delivery failed: %s\n", rd_kafka_err2str(message->err));
}

static uint64_t next_random(uint64_t* state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

static void fill_value(char* value, size_t size, long number, uint64_t* random) {
  static const char digits[] = "0123456789abcdef";
  size_t at = (size_t)snprintf(value, size + 1, "{\"number\":%ld,\"status\":\"open\",\"body\":\"", number);
  if (at > size) at = size;
  while (at < size) {
    uint64_t bits = next_random(random);
    for (int i = 0; i < 16 && at < size; i++, bits >>= 4) value[at++] = digits[bits & 15];
  }
}

struct options {
  const char* brokers;
  const char* topic;
  long messages;
  long size;
  long keys;
  long seed;
};

static struct options read_options(int argc, char** argv, rd_kafka_conf_t* conf) {
  struct options options = {.messages = 500000, .size = 100, .keys = 10000, .seed = 1};
  int option;
  while ((option = getopt(argc, argv, "b:t:n:s:k:r:X:")) != -1) {
    if (option == 'b')
      options.brokers = optarg;
    else if (option == 't')
      options.topic = optarg;
    else if (option == 'n')
      options.messages = whole_number("-n", optarg);
    else if (option == 's')
      options.size = whole_number("-s", optarg);
    else if (option == 'k')
      options.keys = whole_number("-k", optarg);
    else if (option == 'r')
      options.seed = whole_number("-r", optarg);
    else if (option == 'X')
      set_property_pair(conf, optarg);
    else
      exit(2);
  }
  if (options.brokers == NULL || options.topic == NULL || options.keys < 1 || options.size > MAX_VALUE_BYTES)
    fail("%s -b BROKERS -t TOPIC [-n MESSAGES] [-s BYTES] [-k KEYS] [-r SEED] [-X name=value]...", argv[0]);
  return options;
}

struct sent {
  uint64_t bytes;
  uint64_t sum;
};

static struct sent produce(rd_kafka_t* rk, rd_kafka_topic_t* topic, const struct options* options) {
  struct sent sent = {0, 0};
  size_t size = (size_t)options->size;
  char* value = malloc(size + 1);
  if (value == NULL) fail("no memory for a value of %ld bytes", options->size);
  uint64_t random = (uint64_t)options->seed * 0x9e3779b97f4a7c15u + 1;
  for (long number = 0; number < options->messages; number++) {
    char key[32];
    uint64_t key_number = next_random(&random) % (uint64_t)options->keys;
    size_t key_length = (size_t)snprintf(key, sizeof(key), "key-%06" PRIu64, key_number);
    fill_value(value, size, number, &random);
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, size, key, key_length, NULL)) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        fail("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
      rd_kafka_poll(rk, 100);
    }
    if (number % 1024 == 0) rd_kafka_poll(rk, 0);
    sent.sum += checksum(key, key_length) + checksum(value, size);
    sent.bytes += key_length + size;
  }
  free(value);
  return sent;
}

int main(int argc, char** argv) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char reason[512];
  set_property(conf, "compression.codec", "lz4");
  set_property(conf, "partitioner", "murmur2_random");
  set_property(conf, "enable.idempotence", "true");
  set_property(conf, "linger.ms", "20");
  set_property(conf, "queue.buffering.max.messages", "500000");
  struct options options = read_options(argc, argv, conf);
  set_property(conf, "bootstrap.servers", options.brokers);
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);

  rd_kafka_t* rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
  if (rk == NULL) fail("producer: %s", reason);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(rk, options.topic, NULL);
  if (topic == NULL) fail("topic %s: %s", options.topic, rd_kafka_err2str(rd_kafka_last_error()));

  double started_at = now_seconds();
  struct sent sent = produce(rk, topic, &options);
  rd_kafka_flush(rk, FLUSH_MS);
  double seconds = now_seconds() - started_at;
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(rk);
  if (delivered != options.messages)
    fail("%ld of %ld messages were not delivered", options.messages - delivered, options.messages);
  printf("{\"messages\":%ld,\"bytes\":%" PRIu64 ",\"seconds\":%.6f,\"checksum\":\"%016" PRIx64 "\"}\n", delivered,
         sent.bytes, seconds, sent.sum);
  return 0;
}
