// See producer_binding.h.
#include "addon/producer_binding.h"

#include <string>

#include "addon/async.h"
#include "addon/convert.h"

namespace laneway {

namespace {

// Alternating names and values; a name is a string, a value bytes, a string or null.
std::vector<OutgoingHeader> to_headers(const Napi::Value& value) {
  std::vector<OutgoingHeader> headers;
  if (!value.IsArray()) return headers;
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i + 1 < list.Length(); i += 2) {
    OutgoingHeader header{list.Get(i).ToString().Utf8Value(), std::nullopt};
    const Napi::Value content = list.Get(i + 1);
    if (content.IsString()) {
      header.value = content.As<Napi::String>().Utf8Value();
    } else if (const auto bytes = to_bytes(content)) {
      header.value.emplace(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    }
    headers.push_back(std::move(header));
  }
  return headers;
}

}  // namespace

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
  info.Env().AddCleanupHook([weak = std::weak_ptr<Producer>(producer_)] {
    if (const auto producer = weak.lock()) producer->close();
  });
}

Napi::Value ProducerBinding::produce(const Napi::CallbackInfo& info) {
  OutgoingRecord record;
  record.topic = info[0].As<Napi::String>().Utf8Value();
  record.partition = info[1].As<Napi::Number>().Int32Value();
  record.key = to_bytes(info[2]);
  record.value = to_bytes(info[3]);
  record.timestamp_ms = static_cast<int64_t>(info[4].As<Napi::Number>().DoubleValue());
  record.headers = to_headers(info[5]);
  const auto failure = producer_->send(record);
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
