// createTopics, readLogs and the calls about groups of ts/native.ts over kafka/admin.h.
#pragma once

#include <napi.h>

namespace laneway {

Napi::Value read_group_binding(const Napi::CallbackInfo& info);
Napi::Value describe_group_binding(const Napi::CallbackInfo& info);
Napi::Value commit_group_binding(const Napi::CallbackInfo& info);
Napi::Value read_logs_binding(const Napi::CallbackInfo& info);
Napi::Value create_topics_binding(const Napi::CallbackInfo& info);

}  // namespace laneway
