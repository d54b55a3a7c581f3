// laneway_simulate --seeds N [--from S] [--steps N] [--verbose]: runs N histories and prints what broke, with the
// command that replays it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "test/simulation/promise.h"
#include "test/simulation/world.h"

namespace {

struct Arguments {
  unsigned long long seeds = 10'000;
  unsigned long long from = 1;
  int steps = 300;
  bool verbose = false;
};

constexpr int kMostReported = 10;

bool parse(int count, char** values, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string name = values[i];
    if (name == "--verbose") {
      arguments.verbose = true;
    } else if (i + 1 < count && (name == "--seeds" || name == "--from" || name == "--steps")) {
      char* end = nullptr;
      const unsigned long long value = std::strtoull(values[++i], &end, 10);
      if (*end != '\0') return false;
      if (name == "--seeds") arguments.seeds = value;
      if (name == "--from") arguments.from = value;
      if (name == "--steps") arguments.steps = static_cast<int>(value);
    } else {
      return false;
    }
  }
  return true;
}

bool run(unsigned long long seed, const Arguments& arguments) {
  try {
    laneway::simulation::World(seed, arguments.verbose).run(arguments.steps);
    return true;
  } catch (const laneway::simulation::Broken& broken) {
    std::printf("seed %llu: %s\n  replay: laneway_simulate --seeds 1 --from %llu --steps %d --verbose\n", seed,
                broken.what.c_str(), seed, arguments.steps);
    return false;
  }
}

}  // namespace

int main(int count, char** values) {
  Arguments arguments;
  if (!parse(count, values, arguments)) {
    std::fprintf(stderr, "usage: laneway_simulate [--seeds N] [--from S] [--steps N] [--verbose]\n");
    return 2;
  }
  unsigned long long failed = 0;
  const auto start = std::chrono::steady_clock::now();
  for (unsigned long long i = 0; i < arguments.seeds; ++i) {
    if (!run(arguments.from + i, arguments)) ++failed;
    if (failed == kMostReported) {
      std::printf("stopped after %d failing seeds\n", kMostReported);
      arguments.seeds = i + 1;
    }
    if ((i + 1) % 20'000 == 0) std::fprintf(stderr, "%llu of %llu seeds\n", i + 1, arguments.seeds);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::fprintf(stderr, "%.0f seeds per second\n", static_cast<double>(arguments.seeds) / seconds);
  std::printf("%llu passed, %llu failed\n", arguments.seeds - failed, failed);
  return failed == 0 ? 0 : 1;
}
