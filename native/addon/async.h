// Blocking work on libuv's pool, as a promise.
#pragma once

#include <napi.h>

#include <functional>
#include <optional>
#include <utility>
#include <variant>

#include "addon/convert.h"

namespace laneway {

// The work gives a value, or the failure that rejects the promise.
template <typename T>
class AsyncWork final : public Napi::AsyncWorker {
 public:
  using Work = std::function<std::variant<T, KafkaFailure>()>;
  using Convert = std::function<Napi::Value(Napi::Env, T&)>;

  AsyncWork(Napi::Env env, Work work, Convert convert)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        convert_(std::move(convert)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { result_.emplace(work_()); }

  void OnOK() override {
    if (const auto* failure = std::get_if<KafkaFailure>(&*result_)) {
      deferred_.Reject(to_error(Env(), *failure).Value());
      return;
    }
    deferred_.Resolve(convert_(Env(), std::get<T>(*result_)));
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::optional<std::variant<T, KafkaFailure>> result_;
};

// Runs `work` on a thread of the pool (it must not touch JavaScript), then `convert` on the JavaScript thread.
template <typename T>
Napi::Promise run_async(Napi::Env env, typename AsyncWork<T>::Work work, typename AsyncWork<T>::Convert convert) {
  // Deletes itself when it has resolved.
  auto* async = new AsyncWork<T>(env, std::move(work), std::move(convert));
  const Napi::Promise promise = async->promise();
  async->Queue();
  return promise;
}

}  // namespace laneway
