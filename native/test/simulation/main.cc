// laneway_simulate: runs many histories, one per seed, on all cores, and says what broke, with the command that replays
// it; then how often each kind of event happened. Without --steps, a run of many seeds in which a kind never happened
// fails as well. A history whose next step never comes is itself a violation (P6), reported by the thread that watches.
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "test/simulation/coverage.h"
#include "test/simulation/promise.h"
#include "test/simulation/world.h"

namespace laneway::simulation {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: npm run simulate -- [--seeds N] [--from S] [--steps N] [--threads N] [--failures N] [--verbose]\n"
    "\n"
    "Runs the native core in N simulated histories, each drawn from one seed: broker, group, engines, clock, crashes.\n"
    "\n"
    "  --seeds N    how many histories (10000)\n"
    "  --from S     the first seed (1)\n"
    "  --steps N    steps of a history, before everything is drained (300)\n"
    "  --threads N  how many run at a time (one per core)\n"
    "  --failures N the run stops after so many failing seeds (10)\n"
    "  --verbose    tells each history on stderr\n";

// From so many seeds of the usual length on, every kind of event must have happened.
constexpr uint64_t kSeedsThatCoverAll = 1'000;
// A step takes about a microsecond, under sanitizers and on a busy machine perhaps a millisecond.
constexpr auto kStepDeadline = std::chrono::seconds(20);
constexpr auto kProgressEvery = std::chrono::seconds(2);
constexpr uint64_t kIdle = 0;

struct Arguments {
  uint64_t seeds = 10'000;
  uint64_t from = 1;
  int steps = 300;
  bool usual_steps = true;
  uint64_t failures = 10;
  uint64_t threads = std::max(1U, std::thread::hardware_concurrency());
  bool verbose = false;
};

bool parse(int count, char** values, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = values[i];
    if (name == "--verbose") {
      arguments.verbose = true;
      continue;
    }
    if (++i == count) return false;
    char* end = nullptr;
    const uint64_t value = std::strtoull(values[i], &end, 10);
    if (end == values[i] || *end != '\0') return false;
    if (name == "--seeds") {
      arguments.seeds = value;
    } else if (name == "--from") {
      arguments.from = value;
    } else if (name == "--failures" && value > 0) {
      arguments.failures = value;
    } else if (name == "--steps") {
      arguments.steps = static_cast<int>(value);
      arguments.usual_steps = false;
    } else if (name == "--threads" && value > 0) {
      arguments.threads = value;
    } else {
      return false;
    }
  }
  return true;
}

// What one thread has done; read by the one that watches.
struct Worker {
  std::atomic<uint64_t> seed = 0;
  std::atomic<uint64_t> steps = kIdle;  // begun in this history; kIdle between histories
  Coverage coverage;
  std::thread thread;
  // The watcher's.
  uint64_t seen_seed = 0;
  uint64_t seen_steps = kIdle;
  Clock::time_point seen_at = Clock::now();
};

class Run {
 public:
  explicit Run(const Arguments& arguments) : arguments_(arguments) {}

  // The process's exit code.
  int execute() {
    const auto start = Clock::now();
    for (uint64_t i = 0; i < std::min(arguments_.threads, std::max<uint64_t>(arguments_.seeds, 1)); ++i) {
      workers_.push_back(std::make_unique<Worker>());
    }
    running_ = workers_.size();
    for (auto& worker : workers_) worker->thread = std::thread([this, &worker] { work(*worker); });
    watch(start);
    Coverage coverage;
    for (auto& worker : workers_) {
      worker->thread.join();
      coverage.add(worker->coverage);
    }
    return report(coverage, std::chrono::duration<double>(Clock::now() - start).count());
  }

 private:
  void work(Worker& worker) {
    while (failed_ < arguments_.failures) {
      const uint64_t index = next_++;
      if (index >= arguments_.seeds) break;
      const uint64_t seed = arguments_.from + index;
      worker.seed = seed;
      try {
        World(seed, arguments_.verbose, worker.coverage).run(arguments_.steps, worker.steps);
      } catch (const Broken& broken) {
        ++failed_;
        tell(seed, broken.what.c_str());
      } catch (const std::exception& thrown) {
        ++failed_;
        tell(seed, (std::string("exception: the core threw ") + thrown.what()).c_str());
      }
      worker.steps = kIdle;
      ++done_;
    }
    --running_;
  }

  void tell(uint64_t seed, const char* what) {
    const std::lock_guard lock(output_);
    std::printf("seed %" PRIu64 ": %s\n  replay: npm run simulate -- --seeds 1 --from %" PRIu64 "%s --verbose\n", seed,
                what, seed, arguments_.usual_steps ? "" : (" --steps " + std::to_string(arguments_.steps)).c_str());
    std::fflush(stdout);
  }

  void watch(Clock::time_point start) {
    auto told_at = start;
    while (running_ > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const auto now = Clock::now();
      for (auto& worker : workers_) watch_steps(*worker, now);
      if (now - told_at < kProgressEvery) continue;
      told_at = now;
      std::fprintf(stderr, "%" PRIu64 " of %" PRIu64 " seeds, %.0f per second\n", done_.load(), arguments_.seeds,
                   static_cast<double>(done_) / std::chrono::duration<double>(now - start).count());
    }
  }

  // P6: a call into the core that does not return. There is no way back from it but to end.
  void watch_steps(Worker& worker, Clock::time_point now) {
    const uint64_t seed = worker.seed;
    const uint64_t steps = worker.steps;
    if (steps == kIdle || seed != worker.seen_seed || steps != worker.seen_steps) {
      worker.seen_seed = seed;
      worker.seen_steps = steps;
      worker.seen_at = now;
      return;
    }
    if (now - worker.seen_at < kStepDeadline) return;
    tell(seed, ("P6: step " + std::to_string(steps) + " does not end").c_str());
    std::printf("%" PRIu64 " passed, %" PRIu64 " failed\n", done_ - failed_, failed_ + 1);
    std::fflush(stdout);
    std::_Exit(1);
  }

  int report(const Coverage& coverage, double seconds) const {
    const bool must_cover = arguments_.usual_steps && arguments_.seeds >= kSeedsThatCoverAll && failed_ == 0;
    uint64_t missing = 0;
    for (size_t i = 0; i < kEvents; ++i) {
      const uint64_t count = coverage.counts()[i];
      if (count == 0 && must_cover) ++missing;
      std::printf("%14" PRIu64 "  %s%s\n", count, kEventNames[i], count == 0 && must_cover ? ": NEVER" : "");
    }
    if (failed_ >= arguments_.failures) std::printf("stopped after %" PRIu64 " failing seeds\n", failed_.load());
    const auto done = static_cast<double>(done_);
    const double cpu_seconds = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    std::printf("%" PRIu64 " seeds of %.0f steps in %.1f s on %zu threads: %.0f seeds per second of a core's time\n",
                done_.load(), static_cast<double>(coverage.steps()) / std::max(done, 1.0), seconds, workers_.size(),
                done / cpu_seconds);
    std::printf("%" PRIu64 " passed, %" PRIu64 " failed\n", done_ - failed_, failed_ + missing);
    return failed_ + missing == 0 ? 0 : 1;
  }

  Arguments arguments_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<uint64_t> next_ = 0;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<uint64_t> failed_ = 0;
  std::atomic<size_t> running_ = 0;
  std::mutex output_;
};

}  // namespace
}  // namespace laneway::simulation

int main(int count, char** values) {
  using namespace laneway::simulation;
  if (count == 2 && std::string_view(values[1]) == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  Arguments arguments;
  if (!parse(count, values, arguments)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  return Run(arguments).execute();
}
