// See convert.h.
#include "addon/convert.h"

namespace laneway {

Properties to_properties(const Napi::Object& from) {
  Properties properties;
  const Napi::Array names = from.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const Napi::Value name = names[i];
    properties[name.ToString().Utf8Value()] = from.Get(name).ToString().Utf8Value();
  }
  return properties;
}

void set_failure(Napi::Object& to, const KafkaFailure& failure) {
  to.Set("code", failure.code);
  to.Set("message", failure.message);
  if (!failure.kafka_error.empty()) to.Set("kafkaError", failure.kafka_error);
  to.Set("retriable", failure.retriable);
  to.Set("fatal", failure.fatal);
}

Napi::Error to_error(Napi::Env env, const KafkaFailure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  Napi::Object object = error.Value();
  set_failure(object, failure);
  return error;
}

void throw_failure(Napi::Env env, const KafkaFailure& failure) { throw to_error(env, failure); }

std::optional<std::span<const std::byte>> to_bytes(const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return std::nullopt;
  if (!value.IsTypedArray()) throw Napi::TypeError::New(value.Env(), "laneway: expected a Uint8Array or null");
  const auto array = value.As<Napi::Uint8Array>();
  return std::as_bytes(std::span<const uint8_t>(array.Data(), array.ByteLength()));
}

}  // namespace laneway
