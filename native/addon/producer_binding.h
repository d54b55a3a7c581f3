// RawProducer of ts/native.ts over kafka/producer.h.
#pragma once

#include <napi.h>

#include <memory>

#include "kafka/producer.h"

namespace laneway {

class ProducerBinding : public Napi::ObjectWrap<ProducerBinding> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit ProducerBinding(const Napi::CallbackInfo& info);
  ~ProducerBinding() override;

 private:
  static void on_environment_end(void* binding);

  Napi::Value produce(const Napi::CallbackInfo& info);
  Napi::Value flush(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value delivered(const Napi::CallbackInfo& info);
  Napi::Value failed(const Napi::CallbackInfo& info);
  Napi::Value queued(const Napi::CallbackInfo& info);

  // Shared with pending promises.
  std::shared_ptr<Producer> producer_;
};

}  // namespace laneway
