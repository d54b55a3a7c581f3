// The module of the micro benchmarks: native/core's offset tracker by itself, which the product reaches through its
// dispatcher only. Built beside the tests, never packed. One call settles many offsets, as in the product.
#include <napi.h>

#include "core/gap_map_codec.h"
#include "core/offset_tracker.h"

namespace laneway {

namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 24;

class TrackerBinding : public Napi::ObjectWrap<TrackerBinding> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Tracker",
        {InstanceMethod<&TrackerBinding::deliver>("deliver"), InstanceMethod<&TrackerBinding::settle>("settle"),
         InstanceMethod<&TrackerBinding::gaps>("gaps"),
         InstanceMethod<&TrackerBinding::commit_metadata>("commitMetadata")});
  }

  explicit TrackerBinding(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<TrackerBinding>(info), tracker_(kMaxWindow) {
    tracker_.start();
  }

 private:
  void deliver(const Napi::CallbackInfo& info) {
    const auto end = static_cast<Offset>(info[0].As<Napi::Number>().DoubleValue());
    for (Offset offset = tracker_.started() ? tracker_.position() : 0; offset < end; ++offset) {
      if (tracker_.deliver(offset) != OffsetTracker::Delivery::kNew) {
        throw Napi::Error::New(info.Env(), "the tracker refuses offset " + std::to_string(offset));
      }
    }
  }

  Napi::Value settle(const Napi::CallbackInfo& info) {
    const auto offsets = info[0].As<Napi::Float64Array>();
    const double* values = offsets.Data();
    for (size_t i = 0, count = offsets.ElementLength(); i < count; ++i) tracker_.settle(static_cast<Offset>(values[i]));
    return Napi::Number::New(info.Env(), static_cast<double>(tracker_.committable()));
  }

  Napi::Value gaps(const Napi::CallbackInfo& info) {
    const std::vector<Offset> gaps = tracker_.snapshot().gaps();
    Napi::Float64Array list = Napi::Float64Array::New(info.Env(), gaps.size());
    for (size_t i = 0; i < gaps.size(); ++i) list[i] = static_cast<double>(gaps[i]);
    return list;
  }

  Napi::Value commit_metadata(const Napi::CallbackInfo& info) {
    const auto max_units = static_cast<size_t>(info[0].As<Napi::Number>().DoubleValue());
    return Napi::String::New(info.Env(), encode_gap_map(tracker_.snapshot(), Carrier::kBase32768, max_units).text);
  }

  OffsetTracker tracker_;
};

Napi::Object define(Napi::Env env, Napi::Object exports) {
  exports.Set("Tracker", TrackerBinding::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(laneway_micro, define)

}  // namespace laneway
