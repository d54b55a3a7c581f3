// One simulated history: a broker, one consumer at a time over the real dispatcher, engines that fail, a clock, and
// crashes, all drawn from one seed. After every step the oracles of model.h and the bounds of P5 are checked; at the
// end everything is drained and nothing may be missing (P1, P6).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/dispatcher.h"
#include "core/gap_map_codec.h"
#include "test/simulation/broker.h"
#include "test/simulation/model.h"
#include "test/simulation/random.h"

namespace laneway::simulation {

class World {
 public:
  World(uint64_t seed, bool verbose);
  ~World();
  // Throws Broken.
  void run(int steps);

 private:
  struct Held {
    uint64_t lease;
    uint32_t slot;
    PartitionId partition;
    uint64_t epoch;
    Offset offset;
  };
  struct Engine {
    Taker taker;
    std::vector<Held> held;
  };
  struct Assignment {
    uint64_t epoch;
    AssignmentModel model;
    bool draining = false;
  };

  void step();
  void start_consumer();
  void crash();
  void produce(PartitionId id);
  void truncate(PartitionId id);
  void assign(PartitionId id);
  void drain(PartitionId id);
  void release(PartitionId id, bool lost);
  void fetch(PartitionId id);
  void take(Engine& engine);
  void check_payload(const std::vector<std::byte>& batch, const std::vector<Held>& taken);
  void settle_some(Engine& engine, bool healthy);
  void settle(Engine& engine, size_t index, Outcome outcome, int64_t delay_ms);
  void settle_stale();
  void detach(Engine& engine);
  void commit(bool healthy);
  bool store(const CommitSnapshot& snapshot, bool healthy);
  void drain_everything();
  void check();
  void trace(const std::string& text) const;

  Random random_;
  bool verbose_;
  DispatcherOptions options_;
  Carrier carrier_;
  size_t metadata_units_;
  std::vector<std::optional<std::string>> keys_;
  std::vector<Log> logs_;
  int64_t now_ms_ = 1'000;

  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Intake> intake_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<std::optional<Assignment>> assigned_;
  std::vector<Offset> positions_;
  std::vector<Held> stale_;
  uint64_t stale_count_ = 0;
};

}  // namespace laneway::simulation
