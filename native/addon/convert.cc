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

OutgoingRecord to_record(const Napi::CallbackInfo& info, size_t from) {
  OutgoingRecord record;
  record.topic = info[from].As<Napi::String>().Utf8Value();
  record.partition = info[from + 1].As<Napi::Number>().Int32Value();
  record.key = to_bytes(info[from + 2]);
  record.value = to_bytes(info[from + 3]);
  record.timestamp_ms = static_cast<int64_t>(info[from + 4].As<Napi::Number>().DoubleValue());
  record.headers = to_headers(info[from + 5]);
  return record;
}

}  // namespace laneway
