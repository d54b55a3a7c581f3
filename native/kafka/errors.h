// The one place that says what a Kafka error means for laneway: a stable code, whether trying again may help, and
// whether a consumer can go on.
//
// Sources: librdkafka's rdkafka.h (rd_kafka_resp_err_t) and INTRODUCTION.md ("Fatal errors"), and the error table of
// the Kafka protocol guide.
#pragma once

#include <librdkafka/rdkafka.h>

#include <string>

namespace laneway {

// RawFailure of ts/native.ts.
struct KafkaFailure {
  std::string code = {};
  std::string message = {};
  // librdkafka's name of the error, e.g. "TOPIC_AUTHORIZATION_FAILED"; empty when the failure is laneway's own.
  std::string kafka_error = {};
  bool retriable = false;
  // The consumer cannot go on: run() rejects with it.
  bool fatal = false;
};

// What was being done: the same error weighs differently.
enum class ErrorContext {
  kConsumer,   // subscription, fetching, rebalances
  kCommitted,  // reading committed offsets on assignment
  kCommit,     // committing offsets
  kAdmin,      // one request on behalf of a caller that waits for its result
  kProduce,
};

// `text` is librdkafka's own explanation, or what was being done.
KafkaFailure classify(rd_kafka_resp_err_t error, ErrorContext context, const std::string& text);
// CONFIG_INVALID. `text` must not contain the value of a secret.
KafkaFailure config_failure(const std::string& text);
// INTERNAL, fatal: a "cannot happen" that happened; going on could lose a message.
KafkaFailure internal_failure(const std::string& text);

}  // namespace laneway
