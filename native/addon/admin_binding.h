// readGroup and createTopics of ts/native.ts over kafka/admin.h.
#pragma once

#include <napi.h>

namespace laneway {

Napi::Value read_group_binding(const Napi::CallbackInfo& info);
Napi::Value create_topics_binding(const Napi::CallbackInfo& info);

}  // namespace laneway
