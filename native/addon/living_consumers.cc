// See living_consumers.h.
#include "addon/living_consumers.h"

#include <mutex>
#include <unordered_map>

#include "kafka/consumer.h"

namespace laneway::living_consumers {

namespace {

struct Registry {
  std::mutex mutex;
  std::unordered_map<uint64_t, std::weak_ptr<Consumer>> consumers;
  uint64_t next_token = 1;
};

// Never destroyed: a worker thread may look something up while the process ends.
Registry& registry() {
  static auto* const instance = new Registry;
  return *instance;
}

}  // namespace

uint64_t add(const std::shared_ptr<Consumer>& consumer) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.consumers.emplace(all.next_token, consumer);
  return all.next_token++;
}

void remove(uint64_t token) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.consumers.erase(token);
}

std::shared_ptr<Consumer> find(uint64_t token) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto found = all.consumers.find(token);
  return found == all.consumers.end() ? nullptr : found->second.lock();
}

}  // namespace laneway::living_consumers
