// RawTaker of ts/native.ts: one engine thread's connection to the dispatcher, as a plain object of bound functions.
#pragma once

#include <napi.h>

#include <memory>

#include "kafka/consumer.h"

namespace laneway {

// `consumer` is shared so that a taker that outlives close() still finds a (stopped) dispatcher. Throws where there are
// as many takers as the dispatcher allows. `ward`: see Dispatcher::attach.
Napi::Object make_taker(Napi::Env env, std::shared_ptr<Consumer> consumer, Napi::Function on_ready, uint64_t ward);

}  // namespace laneway
