/* Fills a benchmark's topic: messages of a given size over a bounded set of keys, partition by key hash. With a rate,
 * an open loop: messages are due at a steady rate, whatever became of those before them.
 *
 * A value starts with the number of its key and its sequence number within the key (u32 each, little-endian); random
 * hexadecimal text follows: lz4 shrinks it a little, as it does with real events, and does not fold the topic into
 * nothing. The same options give the same messages. The ledger notes every message with the time at which it was due,
 * or was produced where there is no rate.
 *
 * With a warm-up, that many messages go first and at once; then it prints {"event":"warmed-up"} and waits for a line on
 * its standard input.
 *
 *   laneway_c_produce -b BROKERS -t TOPIC [-n MESSAGES] [-w WARM_UP] [-s BYTES] [-k KEYS]
 *     [-z ZIPF_EXPONENT | -c CELEBRITIES:PERCENT] [-C lz4|none] [-R MESSAGES_PER_SECOND] [-L LEDGER] [-r SEED] [-X
 * name=value]...
 */
#include <inttypes.h>
#include <unistd.h>

#include "keys.h"
#include "ledger.h"

#define MAX_VALUE_BYTES (900 * 1024)
#define MIN_VALUE_BYTES 16
#define FLUSH_MS (120 * 1000)
/* Delivery reports are served at least so often. */
#define MESSAGES_PER_POLL 1024

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

static void fill_text(char* text, size_t size, uint64_t* random) {
  static const char digits[] = "0123456789abcdef";
  for (size_t at = 0; at < size;) {
    uint64_t bits = next_random(random);
    for (int i = 0; i < 16 && at < size; i++, bits >>= 4) text[at++] = digits[bits & 15];
  }
}

struct options {
  const char* brokers;
  const char* topic;
  const char* ledger;
  long messages;
  long warm_up;
  long size;
  long seed;
  long per_second;
  struct key_choice choice;
};

static const char usage[] =
    "laneway_c_produce -b BROKERS -t TOPIC [-n MESSAGES] [-w WARM_UP] [-s BYTES] [-k KEYS] "
    "[-z ZIPF_EXPONENT | -c CELEBRITIES:PERCENT] [-C lz4|none] [-R MESSAGES_PER_SECOND] [-L LEDGER] [-r SEED] "
    "[-X name=value]...";

/* `text` is COUNT:PERCENT. */
static void read_celebrities(struct key_choice* choice, const char* text) {
  unsigned percent;
  char rest;
  if (sscanf(text, "%" SCNu64 ":%u%c", &choice->celebrities, &percent, &rest) != 2 || percent > 100)
    fail("-c takes COUNT:PERCENT, not \"%s\"", text);
  choice->celebrity_share = percent / 100.0;
}

static double read_exponent(const char* text) {
  char* end;
  double exponent = strtod(text, &end);
  if (*text == '\0' || *end != '\0' || !(exponent >= 0 && exponent <= 10))
    fail("-z takes a number from 0 to 10, not \"%s\"", text);
  return exponent;
}

static void check_options(const struct options* options) {
  const struct key_choice* choice = &options->choice;
  if (options->brokers == NULL || options->topic == NULL) fail("%s", usage);
  if (options->size < MIN_VALUE_BYTES || options->size > MAX_VALUE_BYTES)
    fail("-s takes %d to %d", MIN_VALUE_BYTES, MAX_VALUE_BYTES);
  if (choice->keys < 1 || choice->keys > UINT32_MAX || choice->celebrities >= choice->keys)
    fail("-k takes a number of keys, and more than are celebrities");
  if (choice->celebrities > 0 && choice->zipf_exponent != 0) fail("either -z or -c");
}

static struct options read_options(int argc, char** argv, rd_kafka_conf_t* conf) {
  struct options options = {.messages = 500000, .size = 100, .seed = 1, .choice = {.keys = 10000}};
  int option;
  while ((option = getopt(argc, argv, "b:t:n:w:s:k:z:c:C:R:L:r:X:")) != -1) {
    switch (option) {
      case 'b':
        options.brokers = optarg;
        break;
      case 't':
        options.topic = optarg;
        break;
      case 'n':
        options.messages = whole_number("-n", optarg);
        break;
      case 'w':
        options.warm_up = whole_number("-w", optarg);
        break;
      case 's':
        options.size = whole_number("-s", optarg);
        break;
      case 'k':
        options.choice.keys = (uint64_t)whole_number("-k", optarg);
        break;
      case 'z':
        options.choice.zipf_exponent = read_exponent(optarg);
        break;
      case 'c':
        read_celebrities(&options.choice, optarg);
        break;
      case 'C':
        set_property(conf, "compression.codec", optarg);
        break;
      case 'R':
        options.per_second = whole_number("-R", optarg);
        // What is due must not wait for others.
        set_property(conf, "linger.ms", "0");
        break;
      case 'L':
        options.ledger = optarg;
        break;
      case 'r':
        options.seed = whole_number("-r", optarg);
        break;
      case 'X':
        set_property_pair(conf, optarg);
        break;
      default:
        exit(2);
    }
  }
  check_options(&options);
  return options;
}

struct production {
  rd_kafka_t* rk;
  rd_kafka_topic_t* topic;
  const struct options* options;
  FILE* ledger;
  uint64_t random;
  /* The next sequence number of each key. */
  uint32_t* sequences;
  char* value;
};

/* Serves delivery reports until the message is due. */
static uint64_t wait_until_due(const struct production* production, uint64_t started_at, long number) {
  uint64_t due = started_at + (uint64_t)((double)number * 1e6 / (double)production->options->per_second);
  for (;;) {
    uint64_t now = epoch_micros();
    if (now >= due) return due;
    rd_kafka_poll(production->rk, 0);
    uint64_t left = due - now;
    usleep((useconds_t)(left > 1000 ? 1000 : left));
  }
}

static void produce_message(struct production* production, struct identity identity) {
  char key[32];
  size_t size = (size_t)production->options->size;
  size_t key_length = (size_t)snprintf(key, sizeof(key), "key-%06" PRIu32, identity.key);
  put_identity(production->value, identity);
  fill_text(production->value + IDENTITY_BYTES, size - IDENTITY_BYTES, &production->random);
  while (rd_kafka_produce(production->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, production->value, size, key,
                          key_length, NULL)) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
      fail("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_poll(production->rk, 100);
  }
}

/* `per_second` 0: as fast as it goes. */
static void produce(struct production* production, long messages, long per_second) {
  uint64_t started_at = epoch_micros();
  for (long number = 0; number < messages; number++) {
    uint64_t due = per_second > 0 ? wait_until_due(production, started_at, number) : epoch_micros();
    uint32_t key = (uint32_t)next_key(&production->options->choice, &production->random);
    struct identity identity = {key, production->sequences[key]++};
    produce_message(production, identity);
    if (production->ledger != NULL) write_record(production->ledger, identity, 0, due);
    if (number % MESSAGES_PER_POLL == 0) rd_kafka_poll(production->rk, 0);
  }
  rd_kafka_flush(production->rk, FLUSH_MS);
}

static void warm_up(struct production* production) {
  if (production->options->warm_up == 0) return;
  produce(production, production->options->warm_up, 0);
  puts("{\"event\":\"warmed-up\"}");
  fflush(stdout);
  while (getchar() != '\n')
    if (feof(stdin)) fail("the line that starts the load did not come");
}

static void* allocate(size_t count, size_t size) {
  void* memory = calloc(count, size);
  if (memory == NULL) fail("no memory for %zu times %zu bytes", count, size);
  return memory;
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
  prepare_keys(&options.choice);

  rd_kafka_t* rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
  if (rk == NULL) fail("producer: %s", reason);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(rk, options.topic, NULL);
  if (topic == NULL) fail("topic %s: %s", options.topic, rd_kafka_err2str(rd_kafka_last_error()));
  struct production production = {
      .rk = rk,
      .topic = topic,
      .options = &options,
      .ledger = options.ledger == NULL ? NULL : open_ledger(options.ledger, 0),
      .random = (uint64_t)options.seed * 0x9e3779b97f4a7c15u + 1,
      .sequences = allocate(options.choice.keys, sizeof(uint32_t)),
      .value = allocate((size_t)options.size, 1),
  };
  warm_up(&production);
  double started_at = now_seconds();
  produce(&production, options.messages, options.per_second);
  double seconds = now_seconds() - started_at;

  if (production.ledger != NULL) close_ledger(production.ledger);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(rk);
  free(production.sequences);
  free(production.value);
  free(options.choice.cumulative);
  long wanted = options.warm_up + options.messages;
  if (delivered != wanted) fail("%ld of %ld messages were not delivered", wanted - delivered, wanted);
  printf("{\"messages\":%ld,\"seconds\":%.6f}\n", options.messages, seconds);
  return 0;
}
