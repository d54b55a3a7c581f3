// The dispatcher: which message may start now, which is with an engine, and what is settled.
//
// It owns lanes, buffers, budgets, leases, epochs and retry timers of all assigned partitions. Messages come in through
// an Intake (one ingest thread), go out through Takers (one per engine thread), and come back as settlements. Time is
// an argument; there is no thread, no clock and no Kafka here, so that the simulation owns everything.
//
// Threads: every public function may be called from any thread unless it says otherwise. One mutex guards all state.
// It is not held while messages are copied: the ingest thread fills entries and slabs that it reserved, and a taker
// reads leased messages between take() and end_copy(); what would move or free their bytes (compaction, release)
// waits until no taker is copying. Doorbells and the space listener are called with the mutex held and must not call
// back. Lock order: this mutex, then whatever a doorbell takes.
//
// Non-obvious:
// - A lane's leased messages stay in the lane until they are settled. "Back to the head of the lane" is therefore only
//   a change of state, and a failed message cannot lose its place.
// - A settlement names a slot and a lease id. Lease ids are given once in a dispatcher's life, so a settlement from an
//   earlier epoch, an earlier attempt or a second time finds another id (or none) and is ignored and counted (P4).
// - A message whose dead letter is on its way is withheld: it has left its engine, but keeps its place, its lease and
//   its lane closed until the letter is acknowledged (P8). Only settle_withheld() ends that.
// - A taker on a thread that may end at any time (a worker's) is supervised: when it has left, its lanes stay closed
//   until its supervisor has settled what it ran, and abandons the rest. Nothing of the Taker is needed for that.
// - While its one taker calls handlers one after the other and each ends at once, a partition has one common lane for
//   all keys that need none of their own: see common_lane.cc. Elsewhere it is a lane as any other.
// - What a partition may hold of the budgets is in budget.h: a stalled one leaves the others what is their own (P6).
// - What happens "now" where no time is given happens at the latest time that settle() or advance() was told; advance()
//   is called at least every 50 ms.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/batch_layout.h"
#include "core/budget.h"
#include "core/gap_map.h"
#include "core/key_failures.h"
#include "core/lanes.h"
#include "core/messages.h"
#include "core/offset_tracker.h"
#include "core/output.h"
#include "core/ready_lanes.h"
#include "core/slab.h"

namespace laneway {

enum class Order : uint8_t { kKey, kPartition, kNone };

// How a message ended; the values cross to JavaScript (Outcome in ts/native.ts).
// kBlocked: not settled, and its lane stays closed for the rest of the assignment.
enum class Outcome : uint8_t {
  kCompleted = 0,
  kRetried = 1,
  kDeadLettered = 2,
  kDropped = 3,
  kReleased = 4,
  kBlocked = 5,
};

// Dense numbers that the owner gives to (topic, partition) pairs and never reuses for others.
using PartitionId = uint32_t;

struct DispatcherOptions {
  Order order = Order::kKey;
  uint32_t concurrency = 256;
  size_t max_buffered_messages = 20'000;
  size_t max_buffered_bytes = size_t{64} << 20;
  // See Budget: where many partitions share, one may borrow so much that a batch of it is worth its calls and wake-ups.
  size_t good_batch_messages = 256;
  size_t good_batch_bytes = size_t{1} << 20;
  uint32_t max_run_length = 16;
  // A run ends before this many bytes (its first message may be larger).
  size_t max_run_bytes = std::numeric_limits<size_t>::max();
  // A take ends rather than cut a run short for want of room.
  bool whole_runs = false;
  // A lane with less than a whole run of messages waits this long for more; 0: not at all.
  int64_t linger_ms = 0;
  // A key that failed so often in a row is poison for the cool-down; 0: never.
  uint32_t poison_after = 0;
  int64_t poison_cool_down_ms = 30'000;
  // What becomes of a poison key's messages meanwhile: they wait, or they are taken with attempt 0, not to be run.
  bool poison_is_taken = false;
  // Outputs held for the next transaction; above it nothing is taken.
  size_t max_output_bytes = size_t{64} << 20;
  // See OffsetTracker; 2 MiB of bits per partition at worst.
  int64_t max_window = int64_t{1} << 24;
  uint64_t seed = 0;
};

struct Settlement {
  uint64_t lease;
  uint32_t slot;
  uint32_t delay_ms;  // kRetried: until the next attempt
  Outcome outcome;
};

// What was produced for a message that is settled.
struct SettledOutput {
  Offset offset;
  std::unique_ptr<Output> output;
};

struct CommitSnapshot {
  PartitionId partition;
  uint64_t epoch;
  GapMap map;
  // Of the messages settled since the last one, in the order of their settlements: they and the map belong together.
  std::vector<SettledOutput> outputs;
};

struct PartitionStats {
  PartitionId partition;
  uint64_t epoch;
  Offset committable;  // -1 before the first message
  Offset highest_settled;
  Offset position;
  int64_t gaps;
  size_t buffered_messages;
  size_t buffered_bytes;
  size_t in_flight;
  size_t lanes;
  bool paused;
  bool metadata_full;
  bool common_lane;          // one for all keys that need none of their own
  int64_t metadata_full_ms;  // spent with a full gap map, in this assignment
};

struct DispatcherStats {
  size_t lanes;
  size_t executing_lanes;
  size_t waiting_lanes;
  size_t blocked_lanes;
  size_t withheld;
  size_t buffered_messages;
  size_t buffered_bytes;
  size_t slab_bytes;
  size_t in_flight;
  uint64_t delivered;
  uint64_t settled;
  uint64_t retried;
  uint64_t stale_settlements;
  uint64_t skipped_settled;
  uint64_t holes;
  uint64_t rewinds;
  uint64_t compactions;
  size_t failing_keys;
  uint64_t poisonings;
  size_t output_bytes;
  std::vector<PartitionStats> partitions;
};

// A message that stands at the head of its lane, for whoever asks why nothing moves.
struct StandingMessage {
  PartitionId partition;
  Offset offset;
  std::optional<std::string> key;  // its first 256 bytes
  uint32_t attempt;                // the one that runs or comes next
  LaneState state;
  int64_t age_ms;           // since its lane came into the state
  int64_t failed_since_ms;  // since its first failure; -1: none
};

struct Standing {
  std::vector<StandingMessage> blocking;  // those at a partition's committable offset
  std::vector<StandingMessage> oldest;    // those that an engine has had longest, the oldest first
};

// A buffered message, readable while nothing moves it.
struct MessageView {
  Offset offset;
  int64_t timestamp_ms;
  std::optional<std::span<const std::byte>> key;
  std::optional<std::span<const std::byte>> value;
  std::span<const std::byte> headers;  // as batch_layout.h says
};

class Dispatcher;

// Which lane a message belongs to; without a key it has one alone.
struct LaneKey {
  uint64_t hash = 0;
  bool keyed = false;
};

// A message as the ingest thread has it; the pointers are read during Intake::add only.
struct IncomingMessage {
  Offset offset;
  int64_t timestamp_ms;  // -1: none
  const void* key;       // nullptr: null
  const void* value;     // nullptr: null
  uint32_t key_size;
  uint32_t value_size;
  std::span<const std::byte> headers;  // encoded as batch_layout.h says; empty: none
};

// The ingest side: copies messages of one partition at a time without the lock, then publishes them under it.
// One thread only. Per batch: open, add until it says false or there is nothing more, publish.
class Intake {
 public:
  explicit Intake(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
  ~Intake();
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // How many messages the partition may take now; 0: a budget has none for it, or it is not assigned or draining.
  size_t open(PartitionId partition, uint64_t epoch);
  // Copies the message. False: no room; keep it and offer it again in a later batch.
  bool add(const IncomingMessage& message);
  // Makes the added messages available. Those of a fenced epoch are forgotten. False: a message was refused after all;
  // add() rules that out, so the consumer must stop rather than go on without it.
  bool publish();

 private:
  friend class Dispatcher;

  struct Staged {
    uint32_t slot;
    std::optional<LaneKey> key;  // where it is known already
  };

  std::byte* allocate(uint32_t slot, size_t size, Slab*& slab);

  static constexpr size_t kMaxBatch = 2'048;

  Dispatcher& dispatcher_;
  PartitionId partition_ = 0;
  uint64_t epoch_ = 0;
  size_t messages_left_ = 0;
  size_t bytes_left_ = 0;
  size_t staged_bytes_ = 0;
  Offset window_base_ = -1;  // -1: the first message of the batch sets it
  Offset refused_ = -1;      // too far above the committable offset; -1: none was
  bool finds_keys_ = true;   // the partition has lanes of keys
  std::vector<uint32_t> reserved_;
  std::vector<Message*> reserved_messages_;
  std::vector<Staged> staged_;
  Slab* slab_ = nullptr;
  std::vector<Slab*> filled_;
};

// The engine side: one engine thread's view. take, write and end_copy belong to that thread.
class Taker {
 public:
  size_t messages() const { return picked_.size(); }
  // Size of the buffer that write() fills.
  size_t batch_bytes() const { return layout().payload() + payload_bytes_; }
  // Copies the taken messages into `to` (batch_bytes() bytes), as batch_layout.h says. `epoch_ms`: the dispatcher's
  // time 0 in ms since 1970.
  void write(std::byte* to, int64_t epoch_ms = 0) const;

 private:
  friend class Dispatcher;

  struct Picked {
    const std::byte* data;
    Offset offset;
    int64_t timestamp_ms;
    uint32_t slot;
    int32_t key_size;
    int32_t value_size;
    uint32_t header_size;
    uint32_t attempt;
    int64_t first_failure_ms;  // -1: none
  };

  BatchLayout layout() const { return {picked_.size(), run_partitions_.size(), any_failed_}; }
  // Begins a batch; leases count up from the first.
  void clear(uint64_t first_lease);

  std::vector<Picked> picked_;
  std::vector<uint32_t> run_starts_;
  std::vector<PartitionId> run_partitions_;
  uint64_t first_lease_ = 0;
  size_t payload_bytes_ = 0;
  std::function<void()> doorbell_;
  uint8_t id_ = 0;
  bool idle_ = false;
  bool any_failed_ = false;
};

class Dispatcher {
 public:
  explicit Dispatcher(const DispatcherOptions& options);
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // --- Assignment. ---------------------------------------------------------------------------------------------------
  // Begins a new epoch and returns it. With `committed`, settled offsets of the map are skipped when they arrive;
  // without, the first message says where the log starts.
  uint64_t assign(PartitionId partition, const std::optional<GapMap>& committed);
  // Starts nothing of this partition any more; leases may still settle.
  void begin_drain(PartitionId partition);
  bool drained(PartitionId partition) const;
  // Forgets the partition: its leases are fenced, its buffers freed.
  void release(PartitionId partition);
  // The log of the partition ends at `end` for now; everything below it was delivered or is a hole.
  void reach_end(PartitionId partition, uint64_t epoch, Offset end);
  // The current epoch; 0 when not assigned.
  uint64_t epoch(PartitionId partition) const;

  // --- Engines. ------------------------------------------------------------------------------------------------------
  // `doorbell` is rung once after a take that returned 0, when there is something to take. At most 255 takers.
  // False when there are as many already. `ward`: a number that whoever supervises the taker knows it by, and gives
  // once; 0: nobody does.
  bool attach(Taker& taker, std::function<void()> doorbell, uint64_t ward = 0);
  // Releases what the taker still has.
  void detach(Taker& taker, int64_t now_ms);
  // The taker's thread has ended. What the taker of a ward has stays leased until abandon(); else as detach().
  void leave(Taker& taker, int64_t now_ms);
  // Releases what the ward's taker still has, where it has left; nothing else. May be called again.
  void abandon(uint64_t ward, int64_t now_ms);
  // A leased message as a batch of one for `reader`, whoever has the lease: its state stays as it is. When true, the
  // caller must call reader.write() as it likes, then end_copy(). False: the lease is gone.
  bool read(Taker& reader, uint64_t lease, uint32_t slot);
  // Leases up to `max_messages` of at most about `max_bytes` (one at least, where one is ready), up to `max_run` of one
  // lane (one at least), and returns how many. When not 0, the caller must call taker.write() as it likes, then
  // end_copy(). `sequential`: the engine has one handler at a time, and settles each message of a run before it starts
  // the next; where it has to wait inside a run after all, it releases what follows. Runs may then be longer than
  // `max_run`, and of several keys.
  size_t take(Taker& taker, size_t max_messages, size_t max_bytes, size_t max_run = std::numeric_limits<size_t>::max(),
              bool sequential = false);
  void end_copy();
  void settle(std::span<const Settlement> settlements, int64_t now_ms);
  // Reopens lanes whose retry is due; returns when the next one is, or -1.
  int64_t advance(int64_t now_ms);
  // From now on take() returns 0.
  void stop_taking();
  // Messages leased or withheld, over all partitions.
  size_t in_flight() const;

  // --- Dead letters. -------------------------------------------------------------------------------------------------
  // The message leaves its engine after a failed attempt; what is leased after it in its lane goes back. It stays
  // unsettled and its lane closed until settle_withheld(). False: the lease is gone.
  bool withhold(uint64_t lease, uint32_t slot, int64_t now_ms);
  // Calls `read` with a withheld message, without the lock; only the thread that settles it may. False: the lease is
  // gone.
  bool read_withheld(uint64_t lease, uint32_t slot, const std::function<void(const MessageView&)>& read);
  // kDeadLettered: the broker has it. kReleased: it goes back to its lane.
  void settle_withheld(const Settlement& settlement, int64_t now_ms);

  // --- Outputs. ------------------------------------------------------------------------------------------------------
  // Keeps an output with a leased or withheld message: it comes out with the snapshot in which the message is settled
  // as completed or dead-lettered, and is forgotten when the message is not. False: the lease is gone.
  bool hold_output(uint64_t lease, uint32_t slot, std::unique_ptr<Output> output);
  // Outputs of this many bytes, that came out, are no longer kept.
  void forget_outputs(size_t bytes);
  bool outputs_full() const;

  // --- Commits. ------------------------------------------------------------------------------------------------------
  // Partitions whose committable offset or gaps changed since the last call.
  std::vector<CommitSnapshot> changed();
  // This partition, changed or not.
  std::optional<CommitSnapshot> collect(PartitionId partition);
  // The same to look at: without outputs.
  std::optional<CommitSnapshot> snapshot(PartitionId partition) const;
  // A commit failed: the partition counts as changed again.
  void mark_changed(PartitionId partition, uint64_t epoch);
  // Near the limit of the metadata: start only what fills gaps.
  void set_metadata_full(PartitionId partition, bool full);

  DispatcherStats stats() const;
  // Walks all lanes, a few thousand under each lock: of about one moment, not of exactly one.
  Standing standing(int64_t now_ms, size_t most_oldest) const;
  // Called (mutex held) with a partition that was refused by Intake::open when it may take messages again.
  void set_space_listener(std::function<void(PartitionId)> listener);

 private:
  friend class Intake;

  // Ready, but above what a partition with a full gap map may start. Its head stays the same while it is held.
  struct HeldLane {
    Offset head;
    uint32_t lane;
    bool operator>(const HeldLane& other) const { return head > other.head; }
  };

  // What was leased of a common lane when it was split, in order: one run for its engine all the same.
  struct SplitRun {
    uint64_t first_lease;
    uint64_t last_lease;
    std::vector<uint32_t> slots;
  };

  struct Partition {
    explicit Partition(int64_t max_window) : tracker(max_window) {}
    OffsetTracker tracker;
    uint64_t epoch = 0;
    bool assigned = false;
    bool draining = false;
    bool paused = false;
    bool metadata_full = false;
    bool active = false;  // in active_
    bool changed = false;
    int64_t full_since_ms = 0;  // meaningful while metadata_full
    int64_t full_ms = 0;
    ReadyLanes ready;
    size_t lanes = 0;
    uint32_t common = kNil;            // its common lane
    std::vector<SplitRun> split_runs;  // of common lanes that it had, where more than one message may be leased still
    std::vector<HeldLane> held;        // a heap, the lowest offset first
    size_t buffered_messages = 0;
    size_t buffered_bytes = 0;
    size_t in_flight = 0;
    std::vector<SettledOutput> outputs;  // of settled messages, for the next snapshot

    bool has_lanes_of_keys() const { return lanes > (common == kNil ? 0U : 1U); }
  };

  // True until its lane does not wait for it any more: a batch that filled up starts before its time.
  struct LaneTimer {
    int64_t due_ms;
    uint32_t lane;
    bool operator>(const LaneTimer& other) const { return due_ms > other.due_ms; }
  };

  // Of a taker that has left, only the ward; free without either.
  struct Seat {
    Taker* taker = nullptr;
    uint64_t ward = 0;
  };

  using Lock = std::unique_lock<std::mutex>;

  Partition& partition_at(PartitionId partition);
  const Partition* find_assigned(PartitionId partition) const;

  // Intake.
  void reserve_for(Intake& intake);
  Slab* acquire_slab(Lock& lock, size_t footprint);
  bool publish(Lock& lock, Intake& intake);
  void enqueue(Partition& partition, PartitionId id, const Intake::Staged& staged);
  uint32_t lane_for(Partition& partition, PartitionId id, const Intake::Staged& staged, bool& created);
  uint32_t find_or_create_lane(Partition& partition, PartitionId id, LaneKey key, bool& created);
  void append(uint32_t lane, uint32_t slot);
  LaneKey key_of(PartitionId id, const Message& message) const;
  void release_lane(uint32_t lane);

  // Taking.
  void open_lane(uint32_t lane);
  void make_ready(uint32_t lane);
  void fill_up(uint32_t lane);
  void wait_until(uint32_t lane, int64_t due_ms);
  void enter(Lane& lane, LaneState state);
  void activate(PartitionId id);
  uint32_t next_startable(Partition& partition);
  void reopen_held(Partition& partition);
  void prefer_lowest(Partition& partition);
  Offset head_offset(uint32_t lane) const;
  void lease_run(Taker& taker, uint32_t lane, size_t max_messages, size_t max_bytes, size_t max_run);
  void pick(Taker& taker, uint32_t slot) const;
  void release_leases(uint8_t taker);

  // The common lane.
  bool is_leased_in(const SplitRun& run, uint32_t slot) const;
  void forget_ended_runs(Partition& partition);
  bool may_have_common_lane(const Partition& partition) const;
  uint32_t create_common_lane(Partition& partition, PartitionId id);
  void merge_lanes(Partition& partition, PartitionId id);
  void split_common_lane(Partition& partition, PartitionId id);
  void split_common_lanes();
  void give_back_rest_of_run(uint32_t slot);
  bool is_seated(const Taker& taker) const { return taker.id_ < seats_.size() && seats_[taker.id_].taker == &taker; }
  bool is_alone(const Taker& taker) const;
  bool are_outputs_full() const { return output_bytes_ >= options_.max_output_bytes; }
  bool has_work() const {
    return !stopped_ && !active_.empty() && executing_lanes_ < options_.concurrency &&
           (!are_outputs_full() || full_partitions_ != 0);
  }
  // With the budget of outputs used up only what fills gaps may start: outputs may wait for just that.
  bool may_start(const Partition& partition) const { return !are_outputs_full() || partition.metadata_full; }
  void mark_full(Partition& partition, bool full);
  void ring();

  // Settling.
  Message* find_lease(uint64_t lease, uint32_t slot, MessageState state);
  void settle_one(const Settlement& settlement);
  void complete(uint32_t slot, Outcome outcome);
  void fail(uint32_t slot);
  void give_back(uint32_t slot);
  void end_lease_if_done(uint32_t lane);
  void unlink(Lane& lane, uint32_t slot);
  void tell_time(int64_t now_ms) { now_ms_ = now_ms > now_ms_ ? now_ms : now_ms_; }
  void check_space(PartitionId id);
  void check_space_of_all();
  void check_space_after_settling();
  void relieve();
  void divide_budgets();

  // Moving and freeing bytes.
  void wait_for_copies(Lock& lock);
  void resume_copies();
  void compact(Slab* slab);
  std::byte* place(uint32_t slot, size_t size, Slab*& slab);
  void drop_from(PartitionId id, Offset first);
  void cut_lane(uint32_t lane, Offset first);
  void forget(Partition& partition, uint32_t slot);
  void publish_outputs(Partition& partition, const Message& message);
  void drop_held_outputs(uint64_t lease);
  void drop_published_outputs(Partition& partition);
  void uncount(const Output& output);
  std::optional<CommitSnapshot> collect_from(Partition& partition, PartitionId id);
  StandingMessage describe(const Lane& lane, int64_t now_ms) const;

  const DispatcherOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable copies_changed_;
  std::atomic<int> copying_ = 0;
  std::atomic<bool> exclusive_ = false;

  std::deque<Partition> partitions_;  // by PartitionId; a deque, so that references stay valid
  size_t assigned_ = 0;
  uint64_t next_epoch_ = 1;
  std::deque<PartitionId> active_;  // partitions with ready lanes, in turn
  Budget messages_budget_;
  Budget bytes_budget_;

  MessagePool messages_;
  Lanes lanes_;
  SlabPool slabs_;
  Slab* compaction_slab_ = nullptr;
  std::vector<LaneTimer> timers_;  // a heap, the next one due first
  // By slot, of messages that have failed.
  std::unordered_map<uint32_t, int64_t> first_failures_;
  KeyFailures key_failures_;
  std::unordered_map<uint64_t, std::vector<std::unique_ptr<Output>>> held_outputs_;  // by lease
  size_t output_bytes_ = 0;
  size_t full_partitions_ = 0;            // with a full gap map
  std::vector<PartitionId> passed_over_;  // by the take that runs
  std::vector<uint32_t> scratch_;
  std::vector<PartitionId> freed_;  // paused, and messages of them were settled just now

  std::vector<Seat> seats_;  // by Taker::id_
  std::function<void(PartitionId)> space_listener_;
  uint64_t next_lease_ = 1;
  int64_t now_ms_ = 0;
  size_t executing_lanes_ = 0;
  size_t waiting_lanes_ = 0;
  size_t blocked_lanes_ = 0;
  size_t withheld_ = 0;
  size_t in_flight_ = 0;
  bool stopped_ = false;
  bool sequential_ = false;  // the last take was, and there is one taker

  uint64_t delivered_ = 0;
  uint64_t settled_ = 0;
  uint64_t retried_ = 0;
  uint64_t stale_settlements_ = 0;
  uint64_t skipped_settled_ = 0;
  uint64_t holes_ = 0;  // of earlier epochs
  uint64_t rewinds_ = 0;
  uint64_t compactions_ = 0;
};

}  // namespace laneway
