// See taker_binding.h. take() is the one call per batch that everything else is built around: it reads settlements
// from columns that JavaScript has written in place and returns one buffer.
#include "addon/taker_binding.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "addon/batch_memory.h"
#include "addon/convert.h"
#include "addon/environment_end.h"

namespace laneway {

namespace {

constexpr size_t kSettlementCapacity = 8'192;

// What is not an outcome leaves the message unsettled.
Outcome to_outcome(uint8_t value) {
  return value <= static_cast<uint8_t>(Outcome::kBlocked) ? static_cast<Outcome>(value) : Outcome::kReleased;
}

class TakerHandle {
 public:
  TakerHandle(std::shared_ptr<Consumer> consumer, Napi::Env env, Napi::Function on_ready, uint64_t ward)
      : consumer_(std::move(consumer)),
        doorbell_(Napi::ThreadSafeFunction::New(env, on_ready, "laneway.onReady", 1, 1)) {
    // The consumer keeps the event loop alive while it is started; a doorbell alone does not.
    doorbell_.Unref(env);
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, kSettlementCapacity * (8 + 4 + 4 + 1));
    columns_ = static_cast<std::byte*>(buffer.Data());
    buffer_ = Napi::Persistent(buffer.As<Napi::Object>());
    attached_ = consumer_->attach(
        taker_, [bell = doorbell_] { bell.NonBlockingCall(); }, ward);
    if (!attached_) {
      doorbell_.Release();
      return;
    }
    environment_end_ = std::make_unique<EnvironmentEnd>(env, [this] { leave(); });
  }

  ~TakerHandle() { detach(); }
  TakerHandle(const TakerHandle&) = delete;
  TakerHandle& operator=(const TakerHandle&) = delete;

  bool attached() const { return attached_; }
  Napi::Value settlements() const { return buffer_.Value(); }

  void settle(size_t count) {
    if (!attached_) return;
    read_settlements(count);
    consumer_->settle(settlements_);
  }

  Napi::Value take(Napi::Env env, size_t max_messages, size_t max_bytes, size_t max_run, bool sequential) {
    if (!attached_ || consumer_->take(taker_, max_messages, max_bytes, max_run, sequential) == 0) return env.Null();
    return copy(env);
  }

  Napi::Value read(Napi::Env env, uint64_t lease, uint32_t slot) {
    if (!attached_ || !consumer_->read(taker_, lease, slot)) return env.Null();
    return copy(env);
  }

  bool dead_letter(DeadLetter letter) { return attached_ && consumer_->dead_letter(std::move(letter)); }
  bool output(uint64_t lease, uint32_t slot, const OutgoingRecord& record) {
    return attached_ && consumer_->output(lease, slot, record);
  }

  void detach() {
    if (!attached_) return;
    consumer_->detach(taker_);
    end();
  }

 private:
  // What JavaScript has settled and not told is settled all the same: its handlers have ended.
  void leave() {
    const auto* leases = reinterpret_cast<const double*>(columns_);
    settle(static_cast<size_t>(std::find(leases, leases + kSettlementCapacity, 0.0) - leases));
    consumer_->leave(taker_);
    end();
  }

  // The taker has no doorbell any more.
  void end() {
    attached_ = false;
    environment_end_.reset();
    doorbell_.Release();
  }

  Napi::Value copy(Napi::Env env) {
    const auto buffer = memory_->allocate(env, taker_.batch_bytes());
    if (buffer) taker_.write(buffer->data, consumer_->epoch_ms());
    consumer_->end_copy();
    if (buffer) return {env, buffer->array_buffer};
    detach();
    throw Napi::Error::New(env, "laneway: no memory for a batch of " + std::to_string(taker_.batch_bytes()) + " bytes");
  }

  void read_settlements(size_t count) {
    settlements_.resize(std::min(count, kSettlementCapacity));
    auto* leases = reinterpret_cast<double*>(columns_);
    const auto* slots = reinterpret_cast<const uint32_t*>(columns_ + 8 * kSettlementCapacity);
    const auto* delays = reinterpret_cast<const uint32_t*>(columns_ + 12 * kSettlementCapacity);
    const auto* outcomes = reinterpret_cast<const uint8_t*>(columns_ + 16 * kSettlementCapacity);
    for (size_t i = 0; i < settlements_.size(); ++i) {
      const uint64_t lease = leases[i] > 0 ? static_cast<uint64_t>(leases[i]) : 0;
      settlements_[i] = {lease, slots[i], delays[i], to_outcome(outcomes[i])};
    }
    std::fill_n(leases, settlements_.size(), 0.0);
  }

  std::shared_ptr<Consumer> consumer_;
  Napi::ThreadSafeFunction doorbell_;
  std::unique_ptr<EnvironmentEnd> environment_end_;  // while attached
  Napi::ObjectReference buffer_;
  std::byte* columns_ = nullptr;
  Taker taker_;
  std::shared_ptr<BatchMemory> memory_ = std::make_shared<BatchMemory>();
  std::vector<Settlement> settlements_;
  bool attached_ = false;
};

size_t size_argument(const Napi::CallbackInfo& info, size_t index) {
  const double value = info[index].As<Napi::Number>().DoubleValue();
  return value > 0 ? static_cast<size_t>(value) : 0;
}

}  // namespace

Napi::Object make_taker(Napi::Env env, std::shared_ptr<Consumer> consumer, Napi::Function on_ready, uint64_t ward) {
  auto handle = std::make_shared<TakerHandle>(std::move(consumer), env, on_ready, ward);
  if (!handle->attached()) throw Napi::Error::New(env, "laneway: a consumer has at most 255 takers");
  Napi::Object taker = Napi::Object::New(env);
  taker.Set("settlements", handle->settlements());
  taker.Set("settlementCapacity", static_cast<double>(kSettlementCapacity));
  taker.Set("take", Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) {
              handle->settle(size_argument(info, 0));
              const size_t max_run =
                  info[3].IsUndefined() ? std::numeric_limits<size_t>::max() : size_argument(info, 3);
              const bool sequential = info[4].IsBoolean() && info[4].As<Napi::Boolean>().Value();
              return handle->take(info.Env(), size_argument(info, 1), size_argument(info, 2), max_run, sequential);
            }));
  taker.Set("settle", Napi::Function::New(
                          env, [handle](const Napi::CallbackInfo& info) { handle->settle(size_argument(info, 0)); }));
  taker.Set("read", Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) {
              return handle->read(info.Env(), size_argument(info, 0), info[1].As<Napi::Number>().Uint32Value());
            }));
  taker.Set("deadLetter", Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) {
              DeadLetter letter{.lease = size_argument(info, 0),
                                .slot = info[1].As<Napi::Number>().Uint32Value(),
                                .topic = info[2].As<Napi::String>().Utf8Value(),
                                .with_payload = info[3].As<Napi::Boolean>().Value(),
                                .headers = to_headers(info[4])};
              return Napi::Boolean::New(info.Env(), handle->dead_letter(std::move(letter)));
            }));
  taker.Set("output", Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) {
              const uint32_t slot = info[1].As<Napi::Number>().Uint32Value();
              return Napi::Boolean::New(info.Env(), handle->output(size_argument(info, 0), slot, to_record(info, 2)));
            }));
  taker.Set("detach", Napi::Function::New(env, [handle](const Napi::CallbackInfo&) { handle->detach(); }));
  return taker;
}

}  // namespace laneway
