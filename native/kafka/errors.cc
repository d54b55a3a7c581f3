// See errors.h.
#include "kafka/errors.h"

namespace laneway {

namespace {

struct Meaning {
  const char* code;
  bool retriable;
  // For a consumer that is running; a failed request of any other kind ends itself.
  bool fatal;
};

Meaning meaning_of(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
      return {"BROKER_UNREACHABLE", true, false};
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
      return {"TIMED_OUT", true, false};
    // Waiting for a topic that may never come would be a hang in silence.
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return {"TOPIC_UNKNOWN", false, true};
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
      return {"TOPIC_EXISTS", false, false};
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return {"AUTHORIZATION_FAILED", false, true};
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
      return {"AUTHENTICATION_FAILED", false, true};
    case RD_KAFKA_RESP_ERR__SSL:
      return {"TLS_FAILED", true, false};
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_ASSIGNOR:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
      return {"GROUP_PROTOCOL_MISMATCH", false, true};
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_UNRELEASED_INSTANCE_ID:
      return {"FENCED", false, true};
    // The member rejoins by itself; what was in flight is fenced by the new epoch.
    case RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH:
    case RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
      return {"MEMBERSHIP_LOST", true, false};
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED:
      return {"GROUP_REFUSED", false, true};
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return {"OFFSET_OUT_OF_RANGE", false, true};
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
      return {"METADATA_TOO_LARGE", true, false};
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      return {"QUEUE_FULL", true, false};
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return {"MESSAGE_TOO_LARGE", false, false};
    case RD_KAFKA_RESP_ERR__FATAL:
      return {"KAFKA_ERROR", false, true};
    default:
      return {"KAFKA_ERROR", true, false};
  }
}

}  // namespace

KafkaFailure classify(rd_kafka_resp_err_t error, ErrorContext context, const std::string& text) {
  const Meaning meaning = meaning_of(error);
  KafkaFailure failure{.code = meaning.code,
                       .message = text,
                       .kafka_error = rd_kafka_err2name(error),
                       .retriable = meaning.retriable,
                       .fatal = meaning.fatal};
  // A refused commit is tried again with the next one; only the loss of all rights ends the consumer.
  if (context == ErrorContext::kCommit && failure.code == std::string("KAFKA_ERROR")) failure.code = "COMMIT_FAILED";
  if (context == ErrorContext::kCommit && failure.code == std::string("TOPIC_UNKNOWN")) failure.fatal = false;
  if (context == ErrorContext::kCommitted || context == ErrorContext::kAdmin || context == ErrorContext::kProduce) {
    failure.fatal = failure.fatal && failure.code != std::string("TOPIC_UNKNOWN") &&
                    failure.code != std::string("GROUP_PROTOCOL_MISMATCH");
  }
  return failure;
}

KafkaFailure config_failure(const std::string& text) { return {.code = "CONFIG_INVALID", .message = text}; }

KafkaFailure internal_failure(const std::string& text) {
  return {.code = "INTERNAL", .message = "internal fault: " + text, .fatal = true};
}

}  // namespace laneway
