// Requests to the cluster on behalf of a caller that waits: create topics, read logs and groups, commit for a group
// that has no members. Each call has a client of its own, blocks, and is bounded by its timeout. A request says what
// the cluster answers; whether a group may be changed, and to what, is for the caller to know.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/gap_map.h"
#include "kafka/errors.h"
#include "kafka/properties.h"

namespace laneway {

struct NewTopic {
  std::string topic = {};
  int partitions = 1;
  int replication_factor = 1;
  std::map<std::string, std::string> config = {};
};

// The first topic that could not be created is the failure.
std::optional<KafkaFailure> create_topics(const Properties& properties, const std::vector<NewTopic>& topics,
                                          int timeout_ms);

struct GroupPartition {
  std::string topic = {};
  int32_t partition = 0;
  Offset offset = -1;
  Offset log_start = -1;
  Offset log_end = -1;
  // Of the message before the offset, as committed; -1 where the committer did not say.
  int32_t leader_epoch = -1;
  std::string metadata = {};
  // Set where this partition could not be read.
  std::optional<KafkaFailure> failure = {};
};

// What a transaction that is still open has sent for a group may replace what the group has committed.
enum class OpenTransactions {
  kIgnored,
  // A partition with such offsets has a failure (UNSTABLE_OFFSET_COMMIT).
  kRefused,
};

// Every partition that the group has committed, in order of topic and partition; none for an unknown group.
std::variant<std::vector<GroupPartition>, KafkaFailure> read_group(const Properties& properties,
                                                                   const std::string& group,
                                                                   OpenTransactions transactions, int timeout_ms);

struct GroupMember {
  std::string member_id = {};
  std::string client_id = {};
  std::string host = {};
  // Empty for a member that is not static.
  std::string instance_id = {};
};

struct GroupDescription {
  // librdkafka's names, e.g. "Stable"; "Dead" for a group that the cluster does not know.
  std::string state = {};
  // "Classic", "Consumer" or "Unknown".
  std::string type = {};
  std::vector<GroupMember> members = {};
};

std::variant<GroupDescription, KafkaFailure> describe_group(const Properties& properties, const std::string& group,
                                                            int timeout_ms);

struct Log {
  std::string topic = {};
  int32_t partition = 0;
  Offset start = -1;
  Offset end = -1;
  // The first message that is not older than the time asked for; -1 where there is none, or none was asked for.
  Offset at_time = -1;
  // Set where this partition could not be read.
  std::optional<KafkaFailure> failure = {};
};

// Every partition of the topics, in order. A topic that does not exist is one entry with a failure and partition -1.
// `topics` without duplicates; `time_ms` since 1970, or nothing.
std::variant<std::vector<Log>, KafkaFailure> read_logs(const Properties& properties,
                                                       const std::vector<std::string>& topics,
                                                       std::optional<int64_t> time_ms, int timeout_ms);

struct GroupCommit {
  std::string topic = {};
  int32_t partition = 0;
  Offset offset = 0;
  int32_t leader_epoch = -1;
  std::string metadata = {};
  // The answer: set where the broker refused this partition.
  std::optional<KafkaFailure> failure = {};
};

// Commits as a client that is no member, which the broker refuses (UNKNOWN_MEMBER_ID) while the group has members.
// Gives `commits` back with their failures: some partitions may be committed and others not.
std::variant<std::vector<GroupCommit>, KafkaFailure> commit_group(const Properties& properties,
                                                                  const std::string& group,
                                                                  std::vector<GroupCommit> commits, int timeout_ms);

}  // namespace laneway
