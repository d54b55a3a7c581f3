// See producer_binding.h.
#include "addon/producer_binding.h"

#include <string>

#include "addon/async.h"
#include "addon/convert.h"

namespace laneway {

Napi::Function ProducerBinding::define(Napi::Env env) {
  return DefineClass(env, "Producer",
                     {
                         InstanceMethod<&ProducerBinding::produce>("produce"),
                         InstanceMethod<&ProducerBinding::flush>("flush"),
                         InstanceMethod<&ProducerBinding::close>("close"),
                         InstanceAccessor<&ProducerBinding::delivered>("delivered"),
                         InstanceAccessor<&ProducerBinding::failed>("failed"),
                         InstanceAccessor<&ProducerBinding::queued>("queued"),
                     });
}

ProducerBinding::ProducerBinding(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ProducerBinding>(info) {
  auto made = Producer::create(to_properties(info[0].As<Napi::Object>()));
  if (const auto* failure = std::get_if<KafkaFailure>(&made)) throw_failure(info.Env(), *failure);
  producer_ = std::move(std::get<std::unique_ptr<Producer>>(made));
  napi_add_env_cleanup_hook(info.Env(), &ProducerBinding::on_environment_end, this);
}

// A hook that has run already is not found, which is no failure.
ProducerBinding::~ProducerBinding() { napi_remove_env_cleanup_hook(Env(), &ProducerBinding::on_environment_end, this); }

void ProducerBinding::on_environment_end(void* binding) { static_cast<ProducerBinding*>(binding)->producer_->close(); }

Napi::Value ProducerBinding::produce(const Napi::CallbackInfo& info) {
  const auto failure = producer_->send(to_record(info, 0));
  if (failure && failure->code != "QUEUE_FULL") throw_failure(info.Env(), *failure);
  return Napi::Boolean::New(info.Env(), !failure);
}

Napi::Value ProducerBinding::flush(const Napi::CallbackInfo& info) {
  const auto timeout_ms = static_cast<int64_t>(info[0].As<Napi::Number>().DoubleValue());
  return run_async<bool>(
      info.Env(),
      [producer = producer_, timeout_ms]() -> std::variant<bool, KafkaFailure> {
        if (auto failure = producer->flush(timeout_ms)) return std::move(*failure);
        return true;
      },
      [](Napi::Env env, bool&) -> Napi::Value { return env.Undefined(); });
}

Napi::Value ProducerBinding::close(const Napi::CallbackInfo& info) {
  return run_async<bool>(
      info.Env(),
      [producer = producer_]() -> std::variant<bool, KafkaFailure> {
        producer->close();
        return true;
      },
      [](Napi::Env env, bool&) -> Napi::Value { return env.Undefined(); });
}

Napi::Value ProducerBinding::delivered(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(producer_->delivered()));
}

Napi::Value ProducerBinding::failed(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(producer_->failed()));
}

Napi::Value ProducerBinding::queued(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(producer_->queued()));
}

}  // namespace laneway
