// See metadata_binding.h.
#include "addon/metadata_binding.h"

#include <string>
#include <vector>

#include "addon/convert.h"
#include "core/confluent_codec.h"
#include "core/gap_map_codec.h"
#include "zstd/zstd_frames.h"

namespace laneway {

namespace {

const ZstdFrames& zstd() {
  static const ZstdFrameCodec frames;
  return frames;
}

Result<GapMap> decode(Offset base, const std::string& text, bool confluent) {
  return confluent ? decode_confluent_map(base, text, zstd()) : decode_gap_map(base, text);
}

[[noreturn]] void throw_invalid(Napi::Env env, const std::string& message) {
  throw_failure(env, {.code = "METADATA_INVALID", .message = message});
}

}  // namespace

Napi::Value decode_metadata_binding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto base = static_cast<Offset>(info[0].As<Napi::Number>().DoubleValue());
  const std::string text = info[1].As<Napi::String>().Utf8Value();
  const std::string format = info[2].As<Napi::String>().Utf8Value();
  GapMap map;
  map.base = base;
  const bool confluent = format == "confluent" || (format == "auto" && !is_laneway_metadata(text));
  if (!text.empty()) {
    auto decoded = decode(base, text, confluent);
    if (!decoded) throw_failure(env, {.code = decoded.failure().code, .message = decoded.failure().message});
    map = std::move(*decoded);
  }
  const std::vector<Offset> gaps = map.gaps();
  Napi::Float64Array list = Napi::Float64Array::New(env, gaps.size());
  for (size_t i = 0; i < gaps.size(); ++i) list[i] = static_cast<double>(gaps[i]);
  Napi::Object object = Napi::Object::New(env);
  object.Set("format", text.empty() ? "none" : (confluent ? "confluent" : "laneway"));
  object.Set("base", static_cast<double>(map.base));
  object.Set("highest", static_cast<double>(map.highest()));
  object.Set("gaps", list);
  return object;
}

Napi::Value encode_metadata_binding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto base = static_cast<Offset>(info[0].As<Napi::Number>().DoubleValue());
  const auto highest = static_cast<Offset>(info[1].As<Napi::Number>().DoubleValue());
  const auto gaps = info[2].As<Napi::Float64Array>();
  if (highest < base - 1 || highest - base >= kMaxGapMapLength) {
    throw_invalid(env, "highest must lie between base - 1 and base + " + std::to_string(kMaxGapMapLength));
  }
  // No reader would take it: what comes after it could not be committed.
  if (highest >= kMaxOffset) throw_invalid(env, "highest must be below " + std::to_string(kMaxOffset));
  std::vector<Offset> offsets(gaps.ElementLength());
  for (size_t i = 0; i < offsets.size(); ++i) {
    offsets[i] = static_cast<Offset>(gaps[i]);
    const std::string gap = "gap " + std::to_string(offsets[i]);
    if (offsets[i] < base || offsets[i] > highest) throw_invalid(env, gap + " lies outside base to highest");
    if (offsets[i] == highest) throw_invalid(env, gap + " is the highest, which must be settled");
  }
  const GapMap map = GapMap::from_gaps(base, highest, offsets);
  const Carrier carrier = info[4].As<Napi::String>().Utf8Value() == "base64" ? Carrier::kBase64 : Carrier::kBase32768;
  const auto max_units = static_cast<size_t>(info[5].As<Napi::Number>().DoubleValue());
  const EncodedMetadata encoded = info[3].As<Napi::String>().Utf8Value() == "confluent"
                                      ? encode_confluent_map(map, zstd(), max_units)
                                      : encode_gap_map(map, carrier, max_units);
  Napi::Object object = Napi::Object::New(env);
  object.Set("metadata", encoded.text);
  object.Set("units", static_cast<double>(encoded.units));
  object.Set("highest", static_cast<double>(base + encoded.covered - 1));
  return object;
}

}  // namespace laneway
