// The consumers of this process that live, by token: how a worker thread finds the consumer that it works for.
//
// The one thing that environments share. Any thread may call these; the mutex is held for a look-up only.
#pragma once

#include <cstdint>
#include <memory>

namespace laneway {

class Consumer;

namespace living_consumers {

// Its token: never given again in this process.
uint64_t add(const std::shared_ptr<Consumer>& consumer);
// From now on nobody finds it; who has found it keeps it. May be called again.
void remove(uint64_t token);
// nullptr: it is closed, or never was.
std::shared_ptr<Consumer> find(uint64_t token);

}  // namespace living_consumers

}  // namespace laneway
