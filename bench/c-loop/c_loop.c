/* The limit that laneway is measured against: drains a topic with librdkafka in C and reads every byte of key and
 * value. One thread, one queue per partition (forwarding off), sleeps on an event, drains with timeout 0.
 *
 * Two ways of draining, because librdkafka has two and neither is always faster (-m):
 *   batch     rd_kafka_consume_batch_queue, one lock of the partition's queue per message, one of its offset per batch
 *   callback  rd_kafka_consume_callback_queue, one lock of the queue per drain, one of the offset per message
 *
 * Prints what every contestant prints (bench/contestants/task.ts); time and CPU run from subscribe to the last message.
 * It commits on librdkafka's interval.
 *
 *   laneway_c_loop -b BROKERS -t TOPIC -g GROUP -n MESSAGES [-m batch|callback] [-L LEDGER [-f]] [-d DEADLINE_S]
 *     [-X name=value]...
 *
 * -f writes every record of the ledger at once.
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "ledger.h"

#define BATCH_SIZE 2048
#define MAX_PARTITIONS 1024
#define POLL_MS 100

struct partition {
  rd_kafka_queue_t* queue;
};

struct totals {
  long messages;
  long wanted;
  double first_message_at;
};

/* Owned by the main thread: the rebalance callback runs inside its rd_kafka_consumer_poll(). */
static struct partition partitions[MAX_PARTITIONS];
static int partition_count;
static int wake_up[2];
static struct totals totals;
/* NULL: messages are only counted. */
static FILE* ledger;
/* Every byte that was read is in it, so that no read can be optimised away. */
static volatile uint64_t sum;

/* Sums 64-bit words: every byte is read, at little more than the cost of reading it. */
static uint64_t sum_of(const void* bytes, size_t length) {
  const unsigned char* at = bytes;
  uint64_t total = 0;
  uint64_t word;
  for (; length >= sizeof(word); at += sizeof(word), length -= sizeof(word)) {
    memcpy(&word, at, sizeof(word));
    total += word;
  }
  if (length > 0) {
    word = 0;
    memcpy(&word, at, length);
    total += word;
  }
  return total;
}

static void start_partition(rd_kafka_t* rk, const rd_kafka_topic_partition_t* assigned) {
  if (partition_count == MAX_PARTITIONS) fail("more than %d partitions", MAX_PARTITIONS);
  struct partition* partition = &partitions[partition_count++];
  partition->queue = rd_kafka_queue_get_partition(rk, assigned->topic, assigned->partition);
  if (partition->queue == NULL) fail("partition %d has no queue", assigned->partition);
  rd_kafka_queue_forward(partition->queue, NULL);
  rd_kafka_queue_io_event_enable(partition->queue, wake_up[1], "m", 1);
}

static void release_partitions(void) {
  for (int i = 0; i < partition_count; i++) {
    rd_kafka_queue_io_event_enable(partitions[i].queue, -1, NULL, 0);
    rd_kafka_queue_destroy(partitions[i].queue);
  }
  partition_count = 0;
}

static void on_rebalance(rd_kafka_t* rk, rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* list,
                         void* opaque) {
  (void)opaque;
  if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    for (int i = 0; i < list->cnt; i++) start_partition(rk, &list->elems[i]);
    rd_kafka_assign(rk, list);
  } else {
    release_partitions();
    rd_kafka_assign(rk, NULL);
  }
}

static void first_message(void) {
  totals.first_message_at = now_seconds();
  puts("{\"event\":\"first-message\"}");
  fflush(stdout);
}

static void note(const rd_kafka_message_t* message, int ended) {
  if (ledger != NULL) write_record(ledger, get_identity(message->payload, message->len), ended, epoch_micros());
}

static void take_message(const rd_kafka_message_t* message) {
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) fail("consume: %s", rd_kafka_message_errstr(message));
  if (totals.messages++ == 0) first_message();
  note(message, 0);
  sum += sum_of(message->key, message->key_len) + sum_of(message->payload, message->len);
  note(message, 1);
}

static void take_message_callback(rd_kafka_message_t* message, void* opaque) {
  (void)opaque;
  take_message(message);
}

static void drain_by_batch(struct partition* partition) {
  static rd_kafka_message_t* batch[BATCH_SIZE];
  ssize_t count;
  do {
    count = rd_kafka_consume_batch_queue(partition->queue, 0, batch, BATCH_SIZE);
    for (ssize_t i = 0; i < count; i++) {
      take_message(batch[i]);
      rd_kafka_message_destroy(batch[i]);
    }
  } while (count == BATCH_SIZE);
}

static void drain_by_callback(struct partition* partition) {
  rd_kafka_consume_callback_queue(partition->queue, 0, take_message_callback, NULL);
}

/* Sleeps until a queue has something, at most POLL_MS. */
static void wait_for_event(void) {
  struct pollfd readable = {.fd = wake_up[0], .events = POLLIN};
  char discarded[256];
  if (poll(&readable, 1, POLL_MS) > 0 && read(wake_up[0], discarded, sizeof(discarded)) < 0)
    fail("the wake-up pipe is broken");
}

struct options {
  const char* brokers;
  const char* topic;
  const char* group;
  const char* ledger;
  int ledger_at_once;
  int by_callback;
  long deadline_seconds;
};

static int is_callback(const char* mode) {
  if (strcmp(mode, "callback") == 0) return 1;
  if (strcmp(mode, "batch") != 0) fail("-m takes batch or callback, not \"%s\"", mode);
  return 0;
}

static struct options read_options(int argc, char** argv, rd_kafka_conf_t* conf) {
  struct options options = {.deadline_seconds = 120};
  int option;
  while ((option = getopt(argc, argv, "b:t:g:n:m:L:fd:X:")) != -1) {
    switch (option) {
      case 'b':
        options.brokers = optarg;
        break;
      case 't':
        options.topic = optarg;
        break;
      case 'g':
        options.group = optarg;
        break;
      case 'n':
        totals.wanted = whole_number("-n", optarg);
        break;
      case 'm':
        options.by_callback = is_callback(optarg);
        break;
      case 'L':
        options.ledger = optarg;
        break;
      case 'f':
        options.ledger_at_once = 1;
        break;
      case 'd':
        options.deadline_seconds = whole_number("-d", optarg);
        break;
      case 'X':
        set_property_pair(conf, optarg);
        break;
      default:
        exit(2);
    }
  }
  if (options.brokers == NULL || options.topic == NULL || options.group == NULL)
    fail(
        "%s -b BROKERS -t TOPIC -g GROUP -n MESSAGES [-m batch|callback] [-L LEDGER [-f]] [-d SECONDS] "
        "[-X name=value]...",
        argv[0]);
  return options;
}

static void open_wake_up(void) {
  if (pipe(wake_up) != 0 || fcntl(wake_up[0], F_SETFL, O_NONBLOCK) != 0 || fcntl(wake_up[1], F_SETFL, O_NONBLOCK) != 0)
    fail("no pipe for wake-ups");
}

/* Rebalances are served in here; messages never come this way, because every partition's forwarding is off. */
static void serve_events(rd_kafka_t* rk) {
  rd_kafka_message_t* event = rd_kafka_consumer_poll(rk, 0);
  if (event == NULL) return;
  if (event->err == RD_KAFKA_RESP_ERR_NO_ERROR) fail("a message came by the event queue: forwarding is on");
  fprintf(stderr, "event: %s\n", rd_kafka_message_errstr(event));
  rd_kafka_message_destroy(event);
}

static void consume(rd_kafka_t* rk, int by_callback, double give_up_at) {
  while (totals.messages < totals.wanted) {
    long before = totals.messages;
    serve_events(rk);
    for (int i = 0; i < partition_count; i++) {
      if (by_callback)
        drain_by_callback(&partitions[i]);
      else
        drain_by_batch(&partitions[i]);
    }
    if (totals.messages == before) wait_for_event();
    if (now_seconds() > give_up_at) fail("deadline: %ld of %ld messages", totals.messages, totals.wanted);
  }
}

int main(int argc, char** argv) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char reason[512];
  set_property(conf, "auto.offset.reset", "earliest");
  struct options options = read_options(argc, argv, conf);
  set_property(conf, "bootstrap.servers", options.brokers);
  set_property(conf, "group.id", options.group);
  rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
  open_wake_up();
  if (options.ledger != NULL) ledger = open_ledger(options.ledger, options.ledger_at_once);

  rd_kafka_t* rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
  if (rk == NULL) fail("consumer: %s", reason);
  rd_kafka_poll_set_consumer(rk);
  rd_kafka_queue_t* events = rd_kafka_queue_get_consumer(rk);
  rd_kafka_queue_io_event_enable(events, wake_up[1], "e", 1);
  rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, options.topic, RD_KAFKA_PARTITION_UA);

  double cpu_at_start = cpu_seconds();
  double started_at = now_seconds();
  rd_kafka_resp_err_t err = rd_kafka_subscribe(rk, topics);
  if (err != RD_KAFKA_RESP_ERR_NO_ERROR) fail("subscribe: %s", rd_kafka_err2str(err));
  consume(rk, options.by_callback, started_at + (double)options.deadline_seconds);
  double seconds = now_seconds() - started_at;
  double cpu = cpu_seconds() - cpu_at_start;

  if (ledger != NULL) close_ledger(ledger);

  printf("{\"messages\":%ld,\"seconds\":%.6f,\"firstMessageSeconds\":%.6f,", totals.messages, seconds,
         totals.first_message_at - started_at);
  printf("\"cpuSeconds\":%.6f,\"maxRssKib\":%ld,\"versions\":{\"librdkafka\":\"%s\"}}\n", cpu, max_rss_kib(),
         rd_kafka_version_str());
  fflush(stdout);

  rd_kafka_topic_partition_list_destroy(topics);
  rd_kafka_consumer_close(rk);
  rd_kafka_queue_destroy(events);
  rd_kafka_destroy(rk);
  close(wake_up[0]);
  close(wake_up[1]);
  return 0;
}
