// librdkafka's in-process mock cluster, on loopback: brokers for the demo and for users' tests, not a proof.
#pragma once

#include <librdkafka/rdkafka.h>
// Needs rdkafka.h before it.
#include <librdkafka/rdkafka_mock.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "kafka/errors.h"
#include "kafka/handles.h"

namespace laneway {

class MockCluster {
 public:
  static std::variant<std::unique_ptr<MockCluster>, KafkaFailure> create(int brokers);
  ~MockCluster();
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  std::string bootstrap_servers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  std::optional<KafkaFailure> create_topic(const std::string& topic, int partitions);

 private:
  MockCluster(ClientHandle client, rd_kafka_mock_cluster_t* cluster) : client_(std::move(client)), cluster_(cluster) {}

  ClientHandle client_;
  rd_kafka_mock_cluster_t* cluster_;
};

}  // namespace laneway
