// See admin.h.
#include "kafka/admin.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <tuple>

namespace laneway {

namespace {

using Clock = std::chrono::steady_clock;

// One client and what is left of the caller's time.
class Request {
 public:
  Request(ClientHandle client, int timeout_ms)
      : client_(std::move(client)),
        replies_(rd_kafka_queue_new(client_.get())),
        until_(Clock::now() + std::chrono::milliseconds(timeout_ms)) {}

  rd_kafka_t* client() const { return client_.get(); }
  rd_kafka_queue_t* replies() const { return replies_.get(); }

  int left_ms() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until_ - Clock::now()).count();
    return static_cast<int>(std::max<int64_t>(left, 1));
  }

  AdminOptionsHandle options(rd_kafka_admin_op_t operation) const {
    AdminOptionsHandle options(rd_kafka_AdminOptions_new(client_.get(), operation));
    char reason[256];
    rd_kafka_AdminOptions_set_request_timeout(options.get(), left_ms(), reason, sizeof reason);
    return options;
  }

  // The reply to the request that was just made; a failure of the request as a whole is the alternative.
  std::variant<EventHandle, KafkaFailure> wait(const char* what) const {
    EventHandle event(rd_kafka_queue_poll(replies_.get(), left_ms() + 500));
    if (!event) return failure(RD_KAFKA_RESP_ERR__TIMED_OUT, what, "no answer in time");
    const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get());
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return failure(error, what, rd_kafka_event_error_string(event.get()));
    return event;
  }

 private:
  // A timeout of the first request means that nobody was reached.
  KafkaFailure failure(rd_kafka_resp_err_t error, const char* what, const char* text) const {
    KafkaFailure failed = classify(error, ErrorContext::kAdmin, std::string(what) + ": " + text);
    if (failed.code == "TIMED_OUT" && rd_kafka_controllerid(client_.get(), 0) < 0) failed.code = "BROKER_UNREACHABLE";
    return failed;
  }

  ClientHandle client_;
  QueueHandle replies_;
  Clock::time_point until_;
};

std::variant<std::unique_ptr<Request>, KafkaFailure> make_request(const Properties& properties, int timeout_ms) {
  auto client = make_client(RD_KAFKA_PRODUCER, properties);
  if (auto* failure = std::get_if<KafkaFailure>(&client)) return std::move(*failure);
  return std::make_unique<Request>(std::move(std::get<ClientHandle>(client)), timeout_ms);
}

using TopicHandle = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using GroupOffsetsHandle =
    std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, Destroy<rd_kafka_ListConsumerGroupOffsets_destroy>>;

std::optional<KafkaFailure> list_committed(const Request& request, const std::string& group,
                                           std::vector<GroupPartition>& partitions) {
  GroupOffsetsHandle wanted(rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), nullptr));
  const AdminOptionsHandle options = request.options(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
  rd_kafka_ListConsumerGroupOffsets_t* list[] = {wanted.get()};
  rd_kafka_ListConsumerGroupOffsets(request.client(), list, 1, options.get(), request.replies());
  auto reply = request.wait("reading the group's offsets");
  if (auto* failure = std::get_if<KafkaFailure>(&reply)) return std::move(*failure);
  size_t count = 0;
  const rd_kafka_group_result_t** groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(std::get<EventHandle>(reply).get()), &count);
  for (size_t i = 0; i < count; ++i) {
    if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[i])) {
      return classify(rd_kafka_error_code(error), ErrorContext::kAdmin, group + ": " + rd_kafka_error_string(error));
    }
    for (const rd_kafka_topic_partition_t& each : elements(rd_kafka_group_result_partitions(groups[i]))) {
      GroupPartition partition{.topic = each.topic, .partition = each.partition, .offset = each.offset};
      if (each.metadata != nullptr) {
        partition.metadata.assign(static_cast<const char*>(each.metadata), each.metadata_size);
      }
      if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        partition.failure = classify(each.err, ErrorContext::kAdmin, rd_kafka_err2str(each.err));
      }
      if (each.offset >= 0 || partition.failure) partitions.push_back(std::move(partition));
    }
  }
  return std::nullopt;
}

// Fills in where the logs start or end.
std::optional<KafkaFailure> list_bounds(const Request& request, rd_kafka_OffsetSpec_t spec, Offset GroupPartition::*to,
                                        std::vector<GroupPartition>& partitions) {
  const PartitionList wanted(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const GroupPartition& partition : partitions) {
    if (partition.failure) continue;
    rd_kafka_topic_partition_list_add(wanted.get(), partition.topic.c_str(), partition.partition)->offset = spec;
  }
  if (wanted->cnt == 0) return std::nullopt;
  const AdminOptionsHandle options = request.options(RD_KAFKA_ADMIN_OP_LISTOFFSETS);
  rd_kafka_ListOffsets(request.client(), wanted.get(), options.get(), request.replies());
  auto reply = request.wait("reading the logs' bounds");
  if (auto* failure = std::get_if<KafkaFailure>(&reply)) return std::move(*failure);
  size_t count = 0;
  const rd_kafka_ListOffsetsResultInfo_t** infos =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(std::get<EventHandle>(reply).get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_topic_partition_t* seen = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    const auto found = std::find_if(partitions.begin(), partitions.end(), [&](const GroupPartition& partition) {
      return partition.topic == seen->topic && partition.partition == seen->partition;
    });
    if (found == partitions.end()) continue;
    if (seen->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      (*found).*to = seen->offset;
    } else {
      found->failure = classify(seen->err, ErrorContext::kAdmin, rd_kafka_err2str(seen->err));
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<KafkaFailure> create_topics(const Properties& properties, const std::vector<NewTopic>& topics,
                                          int timeout_ms) {
  auto made = make_request(properties, timeout_ms);
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  const Request& request = *std::get<std::unique_ptr<Request>>(made);
  std::vector<TopicHandle> owned;
  std::vector<rd_kafka_NewTopic_t*> list;
  char reason[256];
  for (const NewTopic& topic : topics) {
    TopicHandle each(
        rd_kafka_NewTopic_new(topic.topic.c_str(), topic.partitions, topic.replication_factor, reason, sizeof reason));
    if (!each) return config_failure(topic.topic + ": " + reason);
    for (const auto& [name, value] : topic.config) {
      rd_kafka_NewTopic_set_config(each.get(), name.c_str(), value.c_str());
    }
    list.push_back(each.get());
    owned.push_back(std::move(each));
  }
  const AdminOptionsHandle options = request.options(RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), request.left_ms(), reason, sizeof reason);
  rd_kafka_CreateTopics(request.client(), list.data(), list.size(), options.get(), request.replies());
  auto reply = request.wait("creating topics");
  if (auto* failure = std::get_if<KafkaFailure>(&reply)) return std::move(*failure);
  size_t count = 0;
  const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(
      rd_kafka_event_CreateTopics_result(std::get<EventHandle>(reply).get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const char* text = rd_kafka_topic_result_error_string(results[i]);
    return classify(error, ErrorContext::kAdmin,
                    std::string(rd_kafka_topic_result_name(results[i])) + ": " +
                        (text != nullptr ? text : rd_kafka_err2str(error)));
  }
  return std::nullopt;
}

std::variant<std::vector<GroupPartition>, KafkaFailure> read_group(const Properties& properties,
                                                                   const std::string& group, int timeout_ms) {
  auto made = make_request(properties, timeout_ms);
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  const Request& request = *std::get<std::unique_ptr<Request>>(made);
  std::vector<GroupPartition> partitions;
  if (auto failure = list_committed(request, group, partitions)) return std::move(*failure);
  std::sort(partitions.begin(), partitions.end(), [](const GroupPartition& a, const GroupPartition& b) {
    return std::tie(a.topic, a.partition) < std::tie(b.topic, b.partition);
  });
  for (const auto& [spec, to] : {std::pair{RD_KAFKA_OFFSET_SPEC_EARLIEST, &GroupPartition::log_start},
                                 std::pair{RD_KAFKA_OFFSET_SPEC_LATEST, &GroupPartition::log_end}}) {
    if (auto failure = list_bounds(request, spec, to, partitions)) return std::move(*failure);
  }
  return partitions;
}

}  // namespace laneway
