// A call at the end of an environment (a worker thread's, or the process's), unless it is cancelled before.
//
// Node takes thread-safe functions apart soon after the clean-up hooks have run, and finalizers of JavaScript objects
// run later still: what owns a thread-safe function must let go of it in such a hook, registered after the function was
// made (hooks run last to first), and never touch it again. The JavaScript thread only.
#pragma once

#include <napi.h>

#include <functional>
#include <utility>

namespace laneway {

class EnvironmentEnd {
 public:
  EnvironmentEnd(napi_env env, std::function<void()> run) : env_(env), run_(std::move(run)) {
    napi_add_env_cleanup_hook(env_, &EnvironmentEnd::call, this);
  }
  ~EnvironmentEnd() {
    if (run_) napi_remove_env_cleanup_hook(env_, &EnvironmentEnd::call, this);
  }
  EnvironmentEnd(const EnvironmentEnd&) = delete;
  EnvironmentEnd& operator=(const EnvironmentEnd&) = delete;

 private:
  static void call(void* self) {
    // Moved out first: it may destroy this.
    const auto run = std::exchange(static_cast<EnvironmentEnd*>(self)->run_, nullptr);
    run();
  }

  napi_env env_;
  std::function<void()> run_;  // empty once it has run
};

}  // namespace laneway
