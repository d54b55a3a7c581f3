// Requests to the cluster on behalf of a caller that waits: create topics, read what a group has committed. Each call
// has a client of its own, blocks, and is bounded by its timeout.
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
  std::string metadata = {};
  // Set where this partition could not be read.
  std::optional<KafkaFailure> failure = {};
};

// Every partition that the group has committed, in order of topic and partition; none for an unknown group.
std::variant<std::vector<GroupPartition>, KafkaFailure> read_group(const Properties& properties,
                                                                   const std::string& group, int timeout_ms);

}  // namespace laneway
