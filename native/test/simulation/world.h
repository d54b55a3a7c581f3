// One simulated history: a broker, a group, one consumer process at a time over the real dispatcher, engines that fail,
// a clock, and crashes, all drawn from one seed. After every step the bounds of P5 must hold, and an idle engine that
// was not rung must have nothing to do (P6). At the end everything is drained and nothing may be missing (P1, P6). Half
// of the histories are audited too: all that the dispatcher counts must equal the model's counts after every step. In
// the others a fault must show in what engines and the broker see.
//
// Settlements are judged as they come: each is valid or stale by the model alone, so that whatever an engine still
// holds after a rebalance, a rewind or a failure in the same run becomes a zombie's settlement by itself (P4).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/dispatcher.h"
#include "core/gap_map_codec.h"
#include "test/simulation/broker.h"
#include "test/simulation/coverage.h"
#include "test/simulation/division.h"
#include "test/simulation/model.h"
#include "test/simulation/random.h"
#include "test/simulation/traffic.h"
#include "test/support/batch_view.h"

namespace laneway::simulation {

class World {
 public:
  World(uint64_t seed, bool verbose, Coverage& coverage);
  ~World();
  // Throws Broken. `begun` counts steps as they begin.
  void run(int steps, std::atomic<uint64_t>& begun);

 private:
  // What an engine was handed and has not settled.
  struct Held {
    uint64_t lease;
    uint32_t slot;
    PartitionId partition;
    Offset offset;
    int64_t taken_ms = 0;
    bool poisoned = false;  // not to be run
    uint64_t run = 0;       // its first lease
  };
  // What a handler produced, or a dead letter in a transaction. Whoever has it keeps its bytes.
  class SentOutput final : public Output {
   public:
    SentOutput(World& world, const Record& of, size_t size) : record(of), world_(world), size_(size) {
      world_.output_bytes_ += size_;
    }
    ~SentOutput() override { world_.output_bytes_ -= size_; }
    size_t size() const override { return size_; }
    const Record record;

   private:
    World& world_;
    size_t size_;
  };
  // An output that came out of the dispatcher and waits for its transaction.
  struct Kept {
    PartitionId partition;
    uint64_t epoch;
    Offset offset;
    std::unique_ptr<Output> output;
    const Record& record() const { return static_cast<const SentOutput&>(*output).record; }
  };
  // A dead letter on its way.
  struct Letter {
    Held held;
    int64_t due_ms;
    bool is_acknowledged = false;  // and the writer has not heard of it
  };
  struct Engine {
    Taker taker;
    bool sequential = false;  // its last take was
    std::vector<Held> held;
    uint64_t ward = 0;  // of its supervisor; 0: it has none
    bool attached = false;
    bool lost = false;  // its thread has ended, and its supervisor has not abandoned it yet
    bool idle = false;  // its last take found nothing
    bool rung = false;  // since then
  };
  struct Assignment {
    uint64_t epoch;
    AssignmentModel model;
    uint32_t generation;  // of the log, as far as this consumer has noticed
    bool draining = false;
    bool full = false;
    // What the last transaction said: what is settled below the end of its map has its outputs out.
    Offset committed = -1;
    Offset covered = -1;
    bool window_refused = false;  // paused because of the window, and nothing was settled since
  };
  // How the group hands partitions over.
  enum class Protocol : uint8_t {
    kEager,        // everybody gives everything back, then gets their part
    kCooperative,  // what moves is given back in one rebalance and assigned in the next
    kConsumer,     // KIP-848: each partition by itself, whenever the coordinator says so
  };
  // A commit on its way to the broker or back.
  struct SentCommit {
    PartitionId partition;
    uint64_t epoch;
    uint32_t generation;
    GapMap map;
    EncodedMetadata encoded;
  };
  // A transaction that the broker has decided and the consumer does not know of.
  struct Undecided {
    std::vector<SentCommit> commits;
    std::vector<Kept> outputs;
    bool is_committed;
  };
  // `stale_as`: what it is when it is not valid.
  struct Planned {
    Held held;
    Event stale_as;
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
    unsigned dead_lettered;
    unsigned blocked;
    int64_t handler_timeout_ms;  // 0: none
    unsigned out_of_order;
    unsigned sequential;    // takes
    unsigned waits;         // handlers of sequential takes
    bool stalls;            // some messages fail again and again, with long delays
    uint64_t produces_for;  // steps; then the topic is quiet
    size_t produced_at_once;
    size_t settled_at_once;
    size_t taken_at_once;
  };

  void fill_slabs();
  void begin_step();
  void step();
  void advance();
  void start_consumer();
  void stop_consumer();
  void crash();
  void close();
  void produce(PartitionId id);
  void change_log(PartitionId id);
  void truncate(PartitionId id);

  void rebalance(PartitionId id);
  void rebalance_eagerly();
  void rebalance_cooperatively();
  void reconcile(PartitionId id);
  void assign(PartitionId id);
  std::optional<GapMap> read_committed(PartitionId id);
  void read_damaged(const Log& log);
  void drain(PartitionId id);
  void release(PartitionId id);
  void lose(PartitionId id);
  void forget(PartitionId id);
  void elsewhere(PartitionId id);

  void ingest(PartitionId id);
  bool open(PartitionId id);
  void check_room(PartitionId id, size_t room, size_t used);
  void check_refusal(PartitionId id);
  Division division_of_messages() const;
  Division division_of_bytes() const;
  std::vector<size_t> uses(size_t (AssignmentModel::*of)() const) const;
  bool add_some(size_t most);
  void publish();

  void attach(size_t engine);
  void end(size_t engine);
  void leave(size_t engine);
  void abandon(size_t engine);
  void gave_back(size_t engine);
  void check_read(const Held& held);
  size_t take(size_t engine, size_t max_messages, size_t max_bytes);
  void split_all();
  bool has_common_lane(PartitionId id) const;
  void see_common_lanes();
  void wait_in_run(Engine& engine);
  void forget_rest(Engine& engine, const Held& held);
  void check_run(const BatchView& batch, size_t run, size_t engine);
  void check_message(const BatchView& batch, size_t i, const Pending& message, bool poisoned);
  void settle_some(size_t engine);
  void settle_all(size_t engine);
  void plan(const Held& held, Outcome outcome, uint32_t delay_ms = 0, Event stale_as = Event::kZombieSettlement);
  void settle_planned();
  void apply(const Planned& planned, const Settlement& settlement);
  void settled(Assignment& assignment, const Held& held, Pending& message, Outcome outcome);
  void settle_stale();
  void withhold(const Held& held);
  void settle_withheld(const Held& held, Outcome outcome);
  void deliver_letters(bool healthy);
  bool read_letter(const Held& held);
  bool has_output(const Held& held) const;
  void hold_output(const Held& held, size_t size);

  void commit(bool healthy);
  void send(const CommitSnapshot& snapshot);
  void answer_commits(bool healthy);
  void commit_transaction(std::vector<CommitSnapshot> snapshots, bool healthy);
  void decide();
  bool apply_transaction(std::vector<SentCommit>& commits, const std::vector<Kept>& outputs);
  void forget_outputs(PartitionId id);
  void release_outputs(std::vector<Kept> outputs);
  bool store(SentCommit& commit, bool healthy);
  void forget_limit(PartitionId id);
  void drain_everything();
  bool drain_round();
  bool caught_up() const;

  void check();
  void check_bounds(const DispatcherStats& stats) const;
  void check_slabs(const DispatcherStats& stats) const;
  void check_settlements(const DispatcherStats& stats) const;
  void check_counts(const DispatcherStats& stats) const;
  void check_partition(const PartitionStats& stats) const;
  void check_no_engine_sleeps();
  void check_standing() const;
  void check_final_commit(PartitionId id) const;
  [[gnu::format(printf, 2, 3)]] void trace(const char* format, ...) const;

  void cover(Event event, uint64_t count = 1) { coverage_.add(event, count); }

  Random random_;
  bool verbose_;
  Coverage& coverage_;
  std::atomic<uint64_t>* begun_ = nullptr;
  uint64_t steps_ = 0;
  DispatcherOptions options_;
  Carrier carrier_;
  size_t metadata_units_;  // the most that the consumer writes; what it has learned outlives a crash here
  size_t broker_units_;    // the most that the broker takes
  Protocol protocol_;
  bool is_audited_;
  bool is_transactional_;
  Traffic traffic_;
  Habits habits_;
  std::vector<Log> logs_;
  int64_t now_ms_ = 1'000;
  int64_t told_ms_ = 0;      // the latest time that the dispatcher heard of
  size_t output_bytes_ = 0;  // of all outputs that exist

  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Intake> intake_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<std::optional<Assignment>> assigned_;
  std::vector<Offset> positions_;  // of the client, per partition
  std::optional<Staging> staging_;
  std::vector<Breaker> breakers_;  // per partition
  std::vector<Letter> letters_;
  std::unordered_set<uint64_t> outputs_;  // leases with an output
  std::vector<Kept> kept_;
  std::optional<Undecided> undecided_;
  std::deque<SentCommit> sent_;
  std::vector<Held> zombies_;
  std::vector<Settlement> settlements_;
  std::vector<Planned> planned_;
  std::vector<std::byte> batch_;
  Taker reader_;  // of the supervisor
  uint64_t wards_ = 0;
  uint64_t stale_count_ = 0;
  uint64_t last_epoch_ = 0;  // of this dispatcher
  size_t slab_bytes_;        // of one slab
  bool stopped_ = false;
};

}  // namespace laneway::simulation
