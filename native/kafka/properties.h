// librdkafka configuration from a map of properties, with typed failures that name the property and never a secret.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <variant>

#include "kafka/errors.h"
#include "kafka/handles.h"

namespace laneway {

using Properties = std::map<std::string, std::string>;

// Each property must be known to librdkafka and its value acceptable. Logs are discarded unless the caller sets a
// callback on the result.
std::variant<ConfHandle, KafkaFailure> make_conf(const Properties& properties);

// Those of a consumer's properties that a producer has too.
Properties for_producer(const Properties& properties);

// A client of its own for one request or one purpose. `configure` adds what is no property: callbacks and their opaque.
std::variant<ClientHandle, KafkaFailure> make_client(rd_kafka_type_t type, const Properties& properties,
                                                     const std::function<void(rd_kafka_conf_t*)>& configure = nullptr);

}  // namespace laneway
