// See mock_cluster_binding.h.
#include "addon/mock_cluster_binding.h"

#include "addon/convert.h"

namespace laneway {

Napi::Function MockClusterBinding::define(Napi::Env env) {
  return DefineClass(env, "MockCluster",
                     {
                         InstanceAccessor<&MockClusterBinding::bootstrap_servers>("bootstrapServers"),
                         InstanceMethod<&MockClusterBinding::create_topic>("createTopic"),
                         InstanceMethod<&MockClusterBinding::close>("close"),
                     });
}

MockClusterBinding::MockClusterBinding(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MockClusterBinding>(info) {
  auto made = MockCluster::create(info[0].As<Napi::Number>().Int32Value());
  if (const auto* failure = std::get_if<KafkaFailure>(&made)) throw_failure(info.Env(), *failure);
  cluster_ = std::move(std::get<std::unique_ptr<MockCluster>>(made));
}

Napi::Value MockClusterBinding::bootstrap_servers(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), open_cluster(info.Env()).bootstrap_servers());
}

Napi::Value MockClusterBinding::create_topic(const Napi::CallbackInfo& info) {
  const auto failure =
      open_cluster(info.Env())
          .create_topic(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Number>().Int32Value());
  if (failure) throw_failure(info.Env(), *failure);
  return info.Env().Undefined();
}

Napi::Value MockClusterBinding::close(const Napi::CallbackInfo& info) {
  cluster_.reset();
  return info.Env().Undefined();
}

MockCluster& MockClusterBinding::open_cluster(Napi::Env env) {
  if (!cluster_) throw Napi::Error::New(env, "laneway: the mock cluster is closed");
  return *cluster_;
}

}  // namespace laneway
