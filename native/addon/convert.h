// Between JavaScript values and the types of native/kafka. The façade has validated what comes in; what is wrong here
// is a fault of the caller in ts/ and throws a TypeError.
#pragma once

#include <napi.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "kafka/errors.h"
#include "kafka/outgoing.h"
#include "kafka/properties.h"

namespace laneway {

Properties to_properties(const Napi::Object& from);
// Sets RawFailure's fields (ts/native.ts).
void set_failure(Napi::Object& to, const KafkaFailure& failure);
Napi::Error to_error(Napi::Env env, const KafkaFailure& failure);
[[noreturn]] void throw_failure(Napi::Env env, const KafkaFailure& failure);
// The value of a Uint8Array, or nothing for null.
std::optional<std::span<const std::byte>> to_bytes(const Napi::Value& value);
// Alternating names and values; a name is a string, a value bytes, a string or null.
std::vector<OutgoingHeader> to_headers(const Napi::Value& value);
// The arguments topic, partition, key, value, timestamp, headers, from `from` on. Its bytes are JavaScript's.
OutgoingRecord to_record(const Napi::CallbackInfo& info, size_t from);

}  // namespace laneway
