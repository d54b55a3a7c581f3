// One simulated history: a broker, one consumer process at a time over the real dispatcher, engines that fail, a clock,
// and crashes, all drawn from one seed. After every step the dispatcher's counts must equal the model's, the bounds of
// P5 must hold, and an idle engine that was not rung must have nothing to do (P6). At the end everything is drained and
// nothing may be missing (P1, P6).
//
// Settlements are judged as they come: each is valid or stale by the model alone, so that whatever an engine still
// holds after a rebalance, a rewind or a failure in the same run becomes a zombie's settlement by itself (P4).
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
#include "test/simulation/traffic.h"
#include "test/support/batch_view.h"

namespace laneway::simulation {

class World {
 public:
  World(uint64_t seed, bool verbose);
  ~World();
  // Throws Broken.
  void run(int steps);

 private:
  // What an engine was handed and has not settled.
  struct Held {
    uint64_t lease;
    uint32_t slot;
    PartitionId partition;
    Offset offset;
  };
  struct Engine {
    Taker taker;
    std::vector<Held> held;
    bool attached = false;
    bool idle = false;  // its last take found nothing
    bool rung = false;  // since then
  };
  struct Assignment {
    uint64_t epoch;
    AssignmentModel model;
    uint32_t generation;  // of the log, as far as this consumer has noticed
    bool draining = false;
    bool full = false;
    bool window_refused = false;  // paused because of the window, and nothing was settled since
  };
  // A batch between Intake::open and publish.
  struct Staging {
    PartitionId partition;
    uint64_t epoch;
    uint32_t generation;
    size_t left;
    Offset refused;  // -1: none
    std::vector<Record> records;
  };
  // How the producers and engines of this history behave; chances in percent, numbers at most.
  struct Habits {
    unsigned retried;
    unsigned released;
    unsigned dropped;
    unsigned out_of_order;
    bool stalls;  // some messages fail again and again, with long delays
    size_t produced_at_once;
    size_t settled_at_once;
    size_t taken_at_once;
  };

  void fill_slabs();
  void step();
  void start_consumer();
  void stop_consumer();
  void crash();
  void close();
  void produce(PartitionId id);
  void change_log(PartitionId id);
  void truncate(PartitionId id);
  void assign(PartitionId id);
  void drain(PartitionId id);
  void release(PartitionId id, bool lost);
  void rebalance(PartitionId id);

  void ingest(PartitionId id);
  bool open(PartitionId id);
  void check_refusal(PartitionId id);
  bool add_some(size_t most);
  void publish();

  void attach(size_t engine);
  void detach(size_t engine);
  size_t take(size_t engine, size_t max_messages, size_t max_bytes);
  void check_run(const BatchView& batch, size_t run, size_t engine);
  void check_message(const BatchView& batch, size_t i, const Pending& message);
  void settle_some(size_t engine);
  void settle_all(size_t engine);
  void plan(const Held& held, Outcome outcome, uint32_t delay_ms);
  void settle_planned();
  void apply(const Held& held, const Settlement& settlement);
  void settle_stale();

  void commit(bool healthy);
  bool store(const CommitSnapshot& snapshot, bool healthy);
  void forget_limit(PartitionId id);
  void drain_everything();
  bool drain_round();
  bool caught_up() const;

  void check();
  void check_partition(const PartitionStats& stats);
  void check_slabs(const DispatcherStats& stats);
  void check_no_engine_sleeps();
  [[gnu::format(printf, 2, 3)]] void trace(const char* format, ...) const;

  Random random_;
  bool verbose_;
  DispatcherOptions options_;
  Carrier carrier_;
  size_t metadata_units_;
  Traffic traffic_;
  Habits habits_;
  std::vector<Log> logs_;
  int64_t now_ms_ = 1'000;

  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Intake> intake_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<std::optional<Assignment>> assigned_;
  std::vector<Offset> positions_;  // of the client, per partition
  std::optional<Staging> staging_;
  std::vector<Held> zombies_;
  std::vector<Settlement> planned_;
  std::vector<Held> planned_held_;
  std::vector<std::byte> batch_;
  uint64_t stale_count_ = 0;
  size_t slab_bytes_;  // of one slab
  bool stopped_ = false;
};

}  // namespace laneway::simulation
