// See admin_binding.h.
#include "addon/admin_binding.h"

#include "addon/async.h"
#include "addon/convert.h"
#include "kafka/admin.h"

namespace laneway {

namespace {

Napi::Value to_js(Napi::Env env, std::vector<GroupPartition>& partitions) {
  Napi::Array array = Napi::Array::New(env, partitions.size());
  for (uint32_t i = 0; i < partitions.size(); ++i) {
    const GroupPartition& partition = partitions[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("topic", partition.topic);
    object.Set("partition", partition.partition);
    object.Set("offset", static_cast<double>(partition.offset));
    object.Set("logStart", static_cast<double>(partition.log_start));
    object.Set("logEnd", static_cast<double>(partition.log_end));
    object.Set("metadata", partition.metadata);
    if (partition.failure) object.Set("error", to_error(env, *partition.failure).Value());
    array.Set(i, object);
  }
  return array;
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
  return run_async<Partitions>(
      info.Env(),
      [properties = to_properties(info[0].As<Napi::Object>()), group = info[1].As<Napi::String>().Utf8Value(),
       timeout_ms = info[2].As<Napi::Number>().Int32Value()] { return read_group(properties, group, timeout_ms); },
      [](Napi::Env env, Partitions& partitions) { return to_js(env, partitions); });
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
