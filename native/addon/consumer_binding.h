// RawConsumer and RawTaker of ts/native.ts over kafka/consumer.h. No rule of its own.
//
// Ownership: the JavaScript object, each taker and each pending promise share the ConsumerHandle; the clean-up hook of
// the environment closes it (joining its threads) when a process or a worker thread ends without close(). Events and
// doorbells cross through thread-safe functions, which keep the event loop alive between start() and close() only.
#pragma once

#include <napi.h>

#include <memory>

#include "kafka/consumer.h"

namespace laneway {

class ConsumerHandle;

class ConsumerBinding : public Napi::ObjectWrap<ConsumerBinding> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit ConsumerBinding(const Napi::CallbackInfo& info);
  ~ConsumerBinding() override;

 private:
  Napi::Value start(const Napi::CallbackInfo& info);
  Napi::Value attach(const Napi::CallbackInfo& info);
  Napi::Value token(const Napi::CallbackInfo& info);
  Napi::Value abandon(const Napi::CallbackInfo& info);
  Napi::Value partition(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value standing(const Napi::CallbackInfo& info);
  Napi::Value stop_taking(const Napi::CallbackInfo& info);
  Napi::Value drained(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<ConsumerHandle> handle_;
  bool started_ = false;
};

// Addon.attachTo: a taker of a consumer that another environment may have made.
Napi::Value attach_to_binding(const Napi::CallbackInfo& info);

}  // namespace laneway
