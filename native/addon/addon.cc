// The module: everything that ts/native.ts lists under Addon. No state of its own, so that each environment (the main
// thread, every worker thread) simply has its own copy of the functions below.
#include <librdkafka/rdkafka.h>
#include <napi.h>
#include <zstd.h>

#include "addon/admin_binding.h"
#include "addon/consumer_binding.h"
#include "addon/metadata_binding.h"
#include "addon/mock_cluster_binding.h"
#include "addon/producer_binding.h"
#include "kafka/handles.h"

namespace laneway {

namespace {

Napi::Value versions(const Napi::CallbackInfo& info) {
  char features[512] = "";
  size_t size = sizeof features;
  const ConfHandle conf(rd_kafka_conf_new());
  rd_kafka_conf_get(conf.get(), "builtin.features", features, &size);
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("addon", "napi " + std::to_string(NAPI_VERSION));
  object.Set("librdkafka", rd_kafka_version_str());
  object.Set("features", features);
  object.Set("zstd", ZSTD_versionString());
  return object;
}

Napi::Object define(Napi::Env env, Napi::Object exports) {
  exports.Set("Consumer", ConsumerBinding::define(env));
  exports.Set("attachTo", Napi::Function::New<attach_to_binding>(env, "attachTo"));
  exports.Set("Producer", ProducerBinding::define(env));
  exports.Set("MockCluster", MockClusterBinding::define(env));
  exports.Set("versions", Napi::Function::New<versions>(env, "versions"));
  exports.Set("readGroup", Napi::Function::New<read_group_binding>(env, "readGroup"));
  exports.Set("describeGroup", Napi::Function::New<describe_group_binding>(env, "describeGroup"));
  exports.Set("commitGroup", Napi::Function::New<commit_group_binding>(env, "commitGroup"));
  exports.Set("readLogs", Napi::Function::New<read_logs_binding>(env, "readLogs"));
  exports.Set("createTopics", Napi::Function::New<create_topics_binding>(env, "createTopics"));
  exports.Set("decodeMetadata", Napi::Function::New<decode_metadata_binding>(env, "decodeMetadata"));
  exports.Set("encodeMetadata", Napi::Function::New<encode_metadata_binding>(env, "encodeMetadata"));
  return exports;
}

}  // namespace

NODE_API_MODULE(laneway, define)

}  // namespace laneway
