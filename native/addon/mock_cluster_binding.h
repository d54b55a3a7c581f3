// RawMockCluster of ts/native.ts over kafka/mock_cluster.h.
#pragma once

#include <napi.h>

#include <memory>

#include "kafka/mock_cluster.h"

namespace laneway {

class MockClusterBinding : public Napi::ObjectWrap<MockClusterBinding> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit MockClusterBinding(const Napi::CallbackInfo& info);

 private:
  Napi::Value bootstrap_servers(const Napi::CallbackInfo& info);
  Napi::Value create_topic(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  MockCluster& open_cluster(Napi::Env env);

  std::unique_ptr<MockCluster> cluster_;
};

}  // namespace laneway
