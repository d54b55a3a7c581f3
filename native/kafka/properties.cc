// See properties.h.
#include "kafka/properties.h"

namespace laneway {

namespace {

// Values of these never appear in a message, not even librdkafka's own.
bool is_secret(const std::string& name) {
  return name.find("password") != std::string::npos || name.find("secret") != std::string::npos ||
         name.find("oauthbearer") != std::string::npos || name.find(".pem") != std::string::npos;
}

void discard_log(const rd_kafka_t*, int, const char*, const char*) {}

}  // namespace

std::variant<ConfHandle, KafkaFailure> make_conf(const Properties& properties) {
  ConfHandle conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), &discard_log);
  char reason[512];
  for (const auto& [name, value] : properties) {
    const rd_kafka_conf_res_t result =
        rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), reason, sizeof reason);
    if (result == RD_KAFKA_CONF_OK) continue;
    return config_failure("kafka['" + name + "']: " + (is_secret(name) ? "not an acceptable value" : reason));
  }
  return conf;
}

std::variant<ClientHandle, KafkaFailure> make_client(rd_kafka_type_t type, const Properties& properties) {
  auto conf = make_conf(properties);
  if (auto* failure = std::get_if<KafkaFailure>(&conf)) return std::move(*failure);
  char reason[512];
  ClientHandle client(rd_kafka_new(type, std::get<ConfHandle>(conf).get(), reason, sizeof reason));
  if (!client) return config_failure(reason);
  // rd_kafka_new has taken the configuration over.
  (void)std::get<ConfHandle>(conf).release();
  return client;
}

}  // namespace laneway
