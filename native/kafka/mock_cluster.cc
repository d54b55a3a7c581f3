// See mock_cluster.h.
#include "kafka/mock_cluster.h"

#include "kafka/properties.h"

namespace laneway {

std::variant<std::unique_ptr<MockCluster>, KafkaFailure> MockCluster::create(int brokers) {
  auto client = make_client(RD_KAFKA_PRODUCER, {});
  if (auto* failure = std::get_if<KafkaFailure>(&client)) return std::move(*failure);
  ClientHandle handle = std::move(std::get<ClientHandle>(client));
  rd_kafka_mock_cluster_t* cluster = rd_kafka_mock_cluster_new(handle.get(), brokers);
  if (cluster == nullptr) return internal_failure("the mock cluster could not be started");
  // As Apache Kafka with group.initial.rebalance.delay.ms=0: nobody wants to wait 3 seconds for a demo.
  rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
  return std::unique_ptr<MockCluster>(new MockCluster(std::move(handle), cluster));
}

MockCluster::~MockCluster() { rd_kafka_mock_cluster_destroy(cluster_); }

std::optional<KafkaFailure> MockCluster::create_topic(const std::string& topic, int partitions) {
  const rd_kafka_resp_err_t error = rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  return classify(error, ErrorContext::kAdmin, topic + ": " + rd_kafka_err2str(error));
}

}  // namespace laneway
