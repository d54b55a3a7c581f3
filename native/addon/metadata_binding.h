// decodeMetadata and encodeMetadata of ts/native.ts over the codecs of native/core.
#pragma once

#include <napi.h>

namespace laneway {

Napi::Value decode_metadata_binding(const Napi::CallbackInfo& info);
Napi::Value encode_metadata_binding(const Napi::CallbackInfo& info);

}  // namespace laneway
