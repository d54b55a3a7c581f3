// See admin_binding.h.
#include "addon/admin_binding.h"

#include "addon/async.h"
#include "addon/convert.h"
#include "kafka/admin.h"

namespace laneway {

namespace {

// What every record about a partition has.
template <typename Record>
Napi::Object partition_to_js(Napi::Env env, const Record& record) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("topic", record.topic);
  object.Set("partition", record.partition);
  if (record.failure) object.Set("error", to_error(env, *record.failure).Value());
  return object;
}

Napi::Object to_js(Napi::Env env, const GroupPartition& partition) {
  Napi::Object object = partition_to_js(env, partition);
  object.Set("offset", static_cast<double>(partition.offset));
  object.Set("logStart", static_cast<double>(partition.log_start));
  object.Set("logEnd", static_cast<double>(partition.log_end));
  object.Set("leaderEpoch", partition.leader_epoch);
  object.Set("metadata", partition.metadata);
  return object;
}

Napi::Object to_js(Napi::Env env, const Log& log) {
  Napi::Object object = partition_to_js(env, log);
  object.Set("start", static_cast<double>(log.start));
  object.Set("end", static_cast<double>(log.end));
  object.Set("atTime", static_cast<double>(log.at_time));
  return object;
}

Napi::Object to_js(Napi::Env env, const GroupCommit& commit) { return partition_to_js(env, commit); }

Napi::Object to_js(Napi::Env env, const GroupMember& member) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("memberId", member.member_id);
  object.Set("clientId", member.client_id);
  object.Set("host", member.host);
  object.Set("instanceId", member.instance_id);
  return object;
}

template <typename Record>
Napi::Value to_array(Napi::Env env, const std::vector<Record>& records) {
  Napi::Array array = Napi::Array::New(env, records.size());
  for (uint32_t i = 0; i < records.size(); ++i) array.Set(i, to_js(env, records[i]));
  return array;
}

Napi::Object to_js(Napi::Env env, const GroupDescription& group) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("state", group.state);
  object.Set("type", group.type);
  object.Set("members", to_array(env, group.members));
  return object;
}

GroupCommit to_commit(const Napi::Object& from) {
  return {.topic = from.Get("topic").As<Napi::String>().Utf8Value(),
          .partition = from.Get("partition").As<Napi::Number>().Int32Value(),
          .offset = from.Get("offset").As<Napi::Number>().Int64Value(),
          .leader_epoch = from.Get("leaderEpoch").As<Napi::Number>().Int32Value(),
          .metadata = from.Get("metadata").As<Napi::String>().Utf8Value()};
}

NewTopic to_topic(const Napi::Object& from) {
  return {.topic = from.Get("topic").As<Napi::String>().Utf8Value(),
          .partitions = from.Get("partitions").As<Napi::Number>().Int32Value(),
          .replication_factor = from.Get("replicationFactor").As<Napi::Number>().Int32Value(),
          .config = to_properties(from.Get("config").As<Napi::Object>())};
}

}  // namespace

Napi::Value read_group_binding(const Napi::CallbackInfo& info) {
  using Partitions = std::vector<GroupPartition>;
  const OpenTransactions transactions =
      info[3].ToBoolean().Value() ? OpenTransactions::kRefused : OpenTransactions::kIgnored;
  return run_async<Partitions>(
      info.Env(),
      [properties = to_properties(info[0].As<Napi::Object>()), group = info[1].As<Napi::String>().Utf8Value(),
       transactions, timeout_ms = info[2].As<Napi::Number>().Int32Value()] {
        return read_group(properties, group, transactions, timeout_ms);
      },
      [](Napi::Env env, Partitions& partitions) { return to_array(env, partitions); });
}

Napi::Value describe_group_binding(const Napi::CallbackInfo& info) {
  return run_async<GroupDescription>(
      info.Env(),
      [properties = to_properties(info[0].As<Napi::Object>()), group = info[1].As<Napi::String>().Utf8Value(),
       timeout_ms = info[2].As<Napi::Number>().Int32Value()] { return describe_group(properties, group, timeout_ms); },
      [](Napi::Env env, GroupDescription& group) { return to_js(env, group); });
}

Napi::Value commit_group_binding(const Napi::CallbackInfo& info) {
  using Commits = std::vector<GroupCommit>;
  Commits commits;
  const auto list = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) commits.push_back(to_commit(list.Get(i).As<Napi::Object>()));
  return run_async<Commits>(
      info.Env(),
      [properties = to_properties(info[0].As<Napi::Object>()), group = info[1].As<Napi::String>().Utf8Value(),
       commits = std::move(commits), timeout_ms = info[3].As<Napi::Number>().Int32Value()] {
        return commit_group(properties, group, commits, timeout_ms);
      },
      [](Napi::Env env, Commits& answers) { return to_array(env, answers); });
}

Napi::Value read_logs_binding(const Napi::CallbackInfo& info) {
  using Logs = std::vector<Log>;
  std::vector<std::string> topics;
  const auto list = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) topics.push_back(list.Get(i).As<Napi::String>().Utf8Value());
  std::optional<int64_t> time_ms;
  if (info[2].IsNumber()) time_ms = info[2].As<Napi::Number>().Int64Value();
  return run_async<Logs>(
      info.Env(),
      [properties = to_properties(info[0].As<Napi::Object>()), topics = std::move(topics), time_ms,
       timeout_ms = info[3].As<Napi::Number>().Int32Value()] {
        return read_logs(properties, topics, time_ms, timeout_ms);
      },
      [](Napi::Env env, Logs& logs) { return to_array(env, logs); });
}

Napi::Value create_topics_binding(const Napi::CallbackInfo& info) {
  std::vector<NewTopic> topics;
  const auto list = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) topics.push_back(to_topic(list.Get(i).As<Napi::Object>()));
  return run_async<bool>(
      info.Env(),
      [properties = to_properties(info[0].As<Napi::Object>()), topics = std::move(topics),
       timeout_ms = info[2].As<Napi::Number>().Int32Value()]() -> std::variant<bool, KafkaFailure> {
        if (auto failure = create_topics(properties, topics, timeout_ms)) return std::move(*failure);
        return true;
      },
      [](Napi::Env env, bool&) -> Napi::Value { return env.Undefined(); });
}

}  // namespace laneway
