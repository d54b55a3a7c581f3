// See admin.h.
#include "kafka/admin.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
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

  // A timeout of the first request means that nobody was reached.
  KafkaFailure failure(rd_kafka_resp_err_t error, const char* what, const char* text) const {
    KafkaFailure failed = classify(error, ErrorContext::kAdmin, std::string(what) + ": " + text);
    if (failed.code == "TIMED_OUT" && rd_kafka_controllerid(client_.get(), 0) < 0) failed.code = "BROKER_UNREACHABLE";
    return failed;
  }

 private:
  ClientHandle client_;
  QueueHandle replies_;
  Clock::time_point until_;
};

using RequestOrFailure = std::variant<std::unique_ptr<Request>, KafkaFailure>;

RequestOrFailure make_request(rd_kafka_type_t type, const Properties& properties, int timeout_ms) {
  auto client = make_client(type, properties);
  if (auto* failure = std::get_if<KafkaFailure>(&client)) return std::move(*failure);
  return std::make_unique<Request>(std::move(std::get<ClientHandle>(client)), timeout_ms);
}

// About a group. The client has the group's id, subscribes to nothing and so is no member: librdkafka looks for the
// coordinator again when it has moved (NOT_COORDINATOR) through the client's own group, and takes for granted that
// there is one (rd_kafka_handle_OffsetFetch).
RequestOrFailure make_group_request(Properties properties, const std::string& group, int timeout_ms) {
  properties["group.id"] = group;
  properties["enable.auto.commit"] = "false";
  return make_request(RD_KAFKA_CONSUMER, properties, timeout_ms);
}

bool is_coordinator_on_its_way(const KafkaFailure& failure) {
  for (const rd_kafka_resp_err_t error :
       {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR}) {
    if (failure.kafka_error == rd_kafka_err2name(error)) return true;
  }
  return false;
}

// Asks again while the group's coordinator is being elected or loads, as after the start of a broker. `ask` gives the
// failure, if any, and has no effect where it failed.
template <typename Ask>
std::optional<KafkaFailure> ask_coordinator(const Request& request, const Ask& ask) {
  constexpr int kPauseMs = 100;
  for (;;) {
    std::optional<KafkaFailure> failure = ask();
    if (!failure || !is_coordinator_on_its_way(*failure) || request.left_ms() <= kPauseMs) return failure;
    std::this_thread::sleep_for(std::chrono::milliseconds(kPauseMs));
  }
}

using TopicHandle = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using GroupOffsetsHandle =
    std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, Destroy<rd_kafka_ListConsumerGroupOffsets_destroy>>;
using NewGroupOffsetsHandle =
    std::unique_ptr<rd_kafka_AlterConsumerGroupOffsets_t, Destroy<rd_kafka_AlterConsumerGroupOffsets_destroy>>;
using TopicCollectionHandle = std::unique_ptr<rd_kafka_TopicCollection_t, Destroy<rd_kafka_TopicCollection_destroy>>;

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

std::optional<KafkaFailure> partition_failure(rd_kafka_resp_err_t error, ErrorContext context = ErrorContext::kAdmin) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  return classify(error, context, rd_kafka_err2str(error));
}

// Of `records`, which have a topic and a partition, the one that an answer is about.
template <typename Record>
Record* find_record(std::vector<Record>& records, const rd_kafka_topic_partition_t& answer) {
  const auto found = std::find_if(records.begin(), records.end(), [&](const Record& record) {
    return record.topic == answer.topic && record.partition == answer.partition;
  });
  return found == records.end() ? nullptr : &*found;
}

std::optional<KafkaFailure> list_committed(const Request& request, const std::string& group,
                                           OpenTransactions transactions, std::vector<GroupPartition>& partitions) {
  GroupOffsetsHandle wanted(rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), nullptr));
  const AdminOptionsHandle options = request.options(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
  const int stable = transactions == OpenTransactions::kRefused ? 1 : 0;
  const ErrorHandle refused(rd_kafka_AdminOptions_set_require_stable_offsets(options.get(), stable));
  if (refused) return internal_failure(rd_kafka_error_string(refused.get()));
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
      GroupPartition partition{
          .topic = each.topic, .partition = each.partition, .offset = std::max<Offset>(each.offset, -1)};
      partition.leader_epoch = rd_kafka_topic_partition_get_leader_epoch(&each);
      if (each.metadata != nullptr) {
        partition.metadata.assign(static_cast<const char*>(each.metadata), each.metadata_size);
      }
      partition.failure = partition_failure(each.err);
      if (each.offset >= 0 || partition.failure) partitions.push_back(std::move(partition));
    }
  }
  return std::nullopt;
}

// Fills in an offset of each log: where it starts, where it ends (RD_KAFKA_OFFSET_SPEC_*), or what it has of a time.
template <typename Record>
std::optional<KafkaFailure> list_offsets(const Request& request, int64_t spec, Offset Record::*to,
                                         std::vector<Record>& records) {
  const PartitionList wanted(rd_kafka_topic_partition_list_new(static_cast<int>(records.size())));
  for (const Record& record : records) {
    if (record.failure) continue;
    rd_kafka_topic_partition_list_add(wanted.get(), record.topic.c_str(), record.partition)->offset = spec;
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
    const rd_kafka_topic_partition_t& seen = *rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    Record* record = find_record(records, seen);
    if (record == nullptr) continue;
    record->failure = partition_failure(seen.err);
    if (!record->failure) record->*to = seen.offset;
  }
  return std::nullopt;
}

// Every partition that the topics have, its bounds still to be filled in.
std::optional<KafkaFailure> list_partitions(const Request& request, const std::vector<std::string>& topics,
                                            std::vector<Log>& logs) {
  std::vector<const char*> names;
  names.reserve(topics.size());
  for (const std::string& topic : topics) names.push_back(topic.c_str());
  const TopicCollectionHandle wanted(rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  const AdminOptionsHandle options = request.options(RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
  rd_kafka_DescribeTopics(request.client(), wanted.get(), options.get(), request.replies());
  auto reply = request.wait("reading the topics' partitions");
  if (auto* failure = std::get_if<KafkaFailure>(&reply)) return std::move(*failure);
  size_t count = 0;
  const rd_kafka_TopicDescription_t** found = rd_kafka_DescribeTopics_result_topics(
      rd_kafka_event_DescribeTopics_result(std::get<EventHandle>(reply).get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const std::string topic = rd_kafka_TopicDescription_name(found[i]);
    const rd_kafka_error_t* error = rd_kafka_TopicDescription_error(found[i]);
    const rd_kafka_resp_err_t code = error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      logs.push_back({.topic = topic, .partition = -1, .failure = partition_failure(code)});
      continue;
    }
    size_t partitions = 0;
    const rd_kafka_TopicPartitionInfo_t** infos = rd_kafka_TopicDescription_partitions(found[i], &partitions);
    for (size_t j = 0; j < partitions; ++j) {
      logs.push_back({.topic = topic, .partition = rd_kafka_TopicPartitionInfo_partition(infos[j])});
    }
  }
  return std::nullopt;
}

std::optional<KafkaFailure> describe(const Request& request, const std::string& group, GroupDescription& description) {
  const AdminOptionsHandle options = request.options(RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
  const char* wanted[] = {group.c_str()};
  rd_kafka_DescribeConsumerGroups(request.client(), wanted, 1, options.get(), request.replies());
  auto reply = request.wait("describing the group");
  if (auto* failure = std::get_if<KafkaFailure>(&reply)) return std::move(*failure);
  size_t count = 0;
  const rd_kafka_ConsumerGroupDescription_t** groups = rd_kafka_DescribeConsumerGroups_result_groups(
      rd_kafka_event_DescribeConsumerGroups_result(std::get<EventHandle>(reply).get()), &count);
  if (count != 1) return internal_failure("one group was asked for, " + std::to_string(count) + " came");
  const rd_kafka_ConsumerGroupDescription_t* seen = groups[0];
  const rd_kafka_error_t* error = rd_kafka_ConsumerGroupDescription_error(seen);
  const rd_kafka_resp_err_t code = error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
  if (code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
    description.state = rd_kafka_consumer_group_state_name(RD_KAFKA_CONSUMER_GROUP_STATE_DEAD);
    return std::nullopt;
  }
  // The broker's text is often empty; librdkafka's says what kind of group it is where it is none of consumers.
  const bool is_own = code == RD_KAFKA_RESP_ERR__INVALID_ARG;
  if (error != nullptr) {
    return request.failure(code, "describing the group",
                           is_own ? rd_kafka_error_string(error) : rd_kafka_err2str(code));
  }
  description.state = rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(seen));
  description.type = rd_kafka_consumer_group_type_name(rd_kafka_ConsumerGroupDescription_type(seen));
  for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(seen); ++i) {
    const rd_kafka_MemberDescription_t* member = rd_kafka_ConsumerGroupDescription_member(seen, i);
    description.members.push_back({.member_id = text_of(rd_kafka_MemberDescription_consumer_id(member)),
                                   .client_id = text_of(rd_kafka_MemberDescription_client_id(member)),
                                   .host = text_of(rd_kafka_MemberDescription_host(member)),
                                   .instance_id = text_of(rd_kafka_MemberDescription_group_instance_id(member))});
  }
  return std::nullopt;
}

// Sets the failure of each.
std::optional<KafkaFailure> commit_all(const Request& request, const std::string& group,
                                       std::vector<GroupCommit>& commits) {
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(commits.size())));
  for (const GroupCommit& commit : commits) {
    rd_kafka_topic_partition_t* each =
        rd_kafka_topic_partition_list_add(list.get(), commit.topic.c_str(), commit.partition);
    each->offset = commit.offset;
    rd_kafka_topic_partition_set_leader_epoch(each, commit.leader_epoch);
    set_metadata(*each, commit.metadata);
  }
  // It copies the list with the metadata and the epochs (rd_kafka_topic_partition_update), and commits with generation
  // -1 and no member id, for classic groups and for those of KIP-848.
  const NewGroupOffsetsHandle wanted(rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), list.get()));
  const AdminOptionsHandle options = request.options(RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS);
  rd_kafka_AlterConsumerGroupOffsets_t* requests[] = {wanted.get()};
  rd_kafka_AlterConsumerGroupOffsets(request.client(), requests, 1, options.get(), request.replies());
  auto reply = request.wait("committing for the group (look whether it was done)");
  if (auto* failure = std::get_if<KafkaFailure>(&reply)) return std::move(*failure);
  size_t count = 0;
  const rd_kafka_group_result_t** groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(
      rd_kafka_event_AlterConsumerGroupOffsets_result(std::get<EventHandle>(reply).get()), &count);
  if (count != 1) return internal_failure("one group was committed for, " + std::to_string(count) + " came");
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[0])) {
    return classify(rd_kafka_error_code(error), ErrorContext::kCommit, group + ": " + rd_kafka_error_string(error));
  }
  for (const rd_kafka_topic_partition_t& each : elements(rd_kafka_group_result_partitions(groups[0]))) {
    GroupCommit* commit = find_record(commits, each);
    if (commit != nullptr) commit->failure = partition_failure(each.err, ErrorContext::kCommit);
  }
  return std::nullopt;
}

template <typename Record>
void sort_by_partition(std::vector<Record>& records) {
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
    return std::tie(a.topic, a.partition) < std::tie(b.topic, b.partition);
  });
}

}  // namespace

std::optional<KafkaFailure> create_topics(const Properties& properties, const std::vector<NewTopic>& topics,
                                          int timeout_ms) {
  auto made = make_request(RD_KAFKA_PRODUCER, properties, timeout_ms);
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
                                                                   const std::string& group,
                                                                   OpenTransactions transactions, int timeout_ms) {
  auto made = make_group_request(properties, group, timeout_ms);
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  const Request& request = *std::get<std::unique_ptr<Request>>(made);
  std::vector<GroupPartition> partitions;
  const auto ask = [&] { return list_committed(request, group, transactions, partitions); };
  if (auto failure = ask_coordinator(request, ask)) return std::move(*failure);
  sort_by_partition(partitions);
  for (const auto& [spec, to] : {std::pair{RD_KAFKA_OFFSET_SPEC_EARLIEST, &GroupPartition::log_start},
                                 std::pair{RD_KAFKA_OFFSET_SPEC_LATEST, &GroupPartition::log_end}}) {
    if (auto failure = list_offsets(request, spec, to, partitions)) return std::move(*failure);
  }
  return partitions;
}

std::variant<GroupDescription, KafkaFailure> describe_group(const Properties& properties, const std::string& group,
                                                            int timeout_ms) {
  auto made = make_group_request(properties, group, timeout_ms);
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  const Request& request = *std::get<std::unique_ptr<Request>>(made);
  GroupDescription description;
  const auto ask = [&] { return describe(request, group, description); };
  if (auto failure = ask_coordinator(request, ask)) return std::move(*failure);
  return description;
}

std::variant<std::vector<Log>, KafkaFailure> read_logs(const Properties& properties,
                                                       const std::vector<std::string>& topics,
                                                       std::optional<int64_t> time_ms, int timeout_ms) {
  std::vector<Log> logs;
  if (topics.empty()) return logs;
  auto made = make_request(RD_KAFKA_PRODUCER, properties, timeout_ms);
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  const Request& request = *std::get<std::unique_ptr<Request>>(made);
  if (auto failure = list_partitions(request, topics, logs)) return std::move(*failure);
  sort_by_partition(logs);
  if (auto failure = list_offsets(request, RD_KAFKA_OFFSET_SPEC_EARLIEST, &Log::start, logs)) return *failure;
  if (auto failure = list_offsets(request, RD_KAFKA_OFFSET_SPEC_LATEST, &Log::end, logs)) return *failure;
  if (!time_ms) return logs;
  if (auto failure = list_offsets(request, *time_ms, &Log::at_time, logs)) return *failure;
  return logs;
}

std::variant<std::vector<GroupCommit>, KafkaFailure> commit_group(const Properties& properties,
                                                                  const std::string& group,
                                                                  std::vector<GroupCommit> commits, int timeout_ms) {
  auto made = make_group_request(properties, group, timeout_ms);
  if (auto* failure = std::get_if<KafkaFailure>(&made)) return std::move(*failure);
  const Request& request = *std::get<std::unique_ptr<Request>>(made);
  const auto ask = [&]() -> std::optional<KafkaFailure> {
    if (auto failure = commit_all(request, group, commits)) return failure;
    // It is one for all partitions.
    const std::optional<KafkaFailure>& first = commits.front().failure;
    return first && is_coordinator_on_its_way(*first) ? first : std::nullopt;
  };
  if (commits.empty()) return commits;
  if (auto failure = ask_coordinator(request, ask)) return std::move(*failure);
  return commits;
}

}  // namespace laneway
