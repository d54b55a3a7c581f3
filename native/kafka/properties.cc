// See properties.h.
#include "kafka/properties.h"

#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>

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

// librdkafka knows which property is whose, and tells it only as a table to print: "name | C/P | ...".
Properties for_producer(const Properties& properties) {
  static const std::set<std::string> consumers_own = [] {
    char* text = nullptr;
    size_t size = 0;
    FILE* table = open_memstream(&text, &size);
    rd_kafka_conf_properties_show(table);
    std::fclose(table);
    std::istringstream lines(std::string(text, size));
    std::free(text);
    std::set<std::string> names;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream cells(line);
      std::string name;
      std::string bar;
      std::string side;
      if (cells >> name >> bar >> side && bar == "|" && side == "C") names.insert(name);
    }
    return names;
  }();
  Properties left = properties;
  std::erase_if(left, [&](const auto& property) { return consumers_own.contains(property.first); });
  return left;
}

std::variant<ClientHandle, KafkaFailure> make_client(rd_kafka_type_t type, const Properties& properties,
                                                     const std::function<void(rd_kafka_conf_t*)>& configure) {
  auto conf = make_conf(properties);
  if (auto* failure = std::get_if<KafkaFailure>(&conf)) return std::move(*failure);
  if (configure) configure(std::get<ConfHandle>(conf).get());
  char reason[512];
  ClientHandle client(rd_kafka_new(type, std::get<ConfHandle>(conf).get(), reason, sizeof reason));
  if (!client) return config_failure(reason);
  // rd_kafka_new has taken the configuration over.
  (void)std::get<ConfHandle>(conf).release();
  return client;
}

}  // namespace laneway
