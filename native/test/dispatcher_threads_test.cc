// The dispatcher under real threads, as the adapter uses it: one ingest thread, three engine threads that are lost now
// and then, one thread that supervises them, one that commits and rebalances. What can be checked without stopping the
// world is: bytes, key order, the committable offset, and that everything ends up settled. Meant for the thread and
// address sanitizers; single steps are the simulation's.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "test/support/harness.h"

namespace laneway {
namespace {

constexpr size_t kPartitions = 3;
constexpr Offset kMessages = 12'000;  // of each partition
constexpr size_t kKeys = 40;

// What an engine thread sleeps on; a doorbell that never rings fails the test instead of hanging it.
class Bell {
 public:
  void ring() {
    {
      const std::lock_guard lock(mutex_);
      rung_ = true;
    }
    rings_.notify_one();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    const bool rung = rings_.wait_for(lock, std::chrono::seconds(60), [this] { return rung_; });
    rung_ = false;
    return rung;
  }

 private:
  std::mutex mutex_;
  std::condition_variable rings_;
  bool rung_ = false;
};

size_t key_of(Offset offset) { return static_cast<size_t>(offset) * 7 % kKeys; }

// Some larger than a share of a slab, one in many alone in one; all name their partition and offset.
std::string value_of(PartitionId partition, Offset offset) {
  std::string value = std::to_string(partition) + "/" + std::to_string(offset) + "/";
  const size_t size = offset % 997 == 0 ? 20'000 : static_cast<size_t>(offset * 31 % 400);
  value.append(size, static_cast<char>('a' + offset % 26));
  return value;
}

struct Behaviour {
  bool loses_partitions;  // and rewinds them: leases are fenced while engines run them
};

class Group {
 public:
  explicit Group(const Behaviour& behaviour) : behaviour_(behaviour), dispatcher_(options()) {}

  void run() {
    for (PartitionId id = 0; id < kPartitions; ++id) assign(id, std::nullopt);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 3; ++i) threads.emplace_back([this, i] { run_engine(static_cast<unsigned>(i)); });
    threads.emplace_back([this] { run_ingest(); });
    threads.emplace_back([this] { run_supervisor(); });
    threads.emplace_back([this] { run_rebalances(); });
    for (std::thread& thread : threads) thread.join();
    check_end();
  }

 private:
  struct Partition {
    std::array<std::atomic<bool>, kMessages> settled{};
    std::array<std::atomic<bool>, kKeys> running{};
    // The client's position, as the ingest and the rebalance thread agree on it.
    std::mutex mutex;
    uint64_t epoch = 0;
    Offset position = 0;
    Offset published = 0;
  };

  static DispatcherOptions options() {
    DispatcherOptions options;
    options.concurrency = 24;
    options.max_buffered_messages = 600;
    options.max_buffered_bytes = 120'000;
    options.max_run_length = 4;
    return options;
  }

  // --- Ingest ---

  void run_ingest() {
    Intake intake(dispatcher_);
    std::minstd_rand random(99);
    while (!done()) {
      dispatcher_.advance(++now_ms_);
      for (PartitionId id = 0; id < kPartitions; ++id) ingest(intake, id, random);
      std::this_thread::yield();
    }
  }

  void ingest(Intake& intake, PartitionId id, std::minstd_rand& random) {
    Partition& partition = partitions_[id];
    const std::lock_guard lock(partition.mutex);
    if (intake.open(id, partition.epoch) == 0) return;
    // Now and then the log goes back by some, as after a truncation; the messages are the same here.
    if (behaviour_.loses_partitions && random() % 500 == 0)
      partition.position = std::max<Offset>(0, partition.position - 5);
    for (size_t left = random() % 60 + 1; left > 0 && partition.position < kMessages; --left) {
      const Sent sent{
          partition.position, std::to_string(key_of(partition.position)), value_of(id, partition.position), {}};
      if (!intake.add(to_incoming(sent))) break;
      ++partition.position;
    }
    const Offset before = partition.published;
    EXPECT_TRUE(intake.publish());
    partition.published = partition.position;
    // What recovery knows as settled moves the committable offset as it is delivered, and no engine hears of it.
    if (partition.published != before) step();
  }

  // --- Engines ---

  void run_engine(unsigned seed) {
    std::minstd_rand random(seed + 1);
    Taker taker;
    Bell& bell = bells_[seed];
    uint64_t ward = 0;
    const auto attach = [&] {
      ward = next_ward_++;
      EXPECT_TRUE(dispatcher_.attach(
          taker, [&bell] { bell.ring(); }, ward));
    };
    attach();
    std::vector<std::byte> bytes;
    while (!done()) {
      if (dispatcher_.take(taker, random() % 30 + 1, 40'000) == 0) {
        if (!bell.wait()) {
          ADD_FAILURE() << "an idle engine was not rung";
          finish();
        }
        continue;
      }
      bytes.resize(taker.batch_bytes());
      taker.write(bytes.data());
      dispatcher_.end_copy();
      const auto taken = read_batch(bytes);
      for (const Taken& message : taken) check_bytes(message);
      if (random() % 100 == 0) {
        // Dies with everything it has; nothing of it was started.
        dispatcher_.detach(taker, now_ms_);
        attach();
        continue;
      }
      if (random() % 100 == 0) {
        // Is lost while it runs the first message: it leaves that to its supervisor, and its lanes closed.
        dispatcher_.leave(taker, now_ms_);
        lost({ward, taken.front()});
        attach();
        continue;
      }
      run_handlers(taken, random);
    }
    dispatcher_.detach(taker, now_ms_);
  }

  // --- The supervisor ---

  struct Lost {
    uint64_t ward;
    Taken ran;
  };

  void lost(const Lost& engine) {
    const std::lock_guard lock(lost_mutex_);
    lost_.push_back(engine);
  }

  void run_supervisor() {
    Taker reader;
    EXPECT_TRUE(dispatcher_.attach(reader, [] {}));
    std::vector<std::byte> bytes;
    while (!done()) {
      std::vector<Lost> engines;
      {
        const std::lock_guard lock(lost_mutex_);
        engines.swap(lost_);
      }
      for (const Lost& engine : engines) {
        blame(reader, bytes, engine.ran);
        dispatcher_.abandon(engine.ward, now_ms_);
        step();
      }
      std::this_thread::yield();
    }
    dispatcher_.detach(reader, now_ms_);
  }

  void blame(Taker& reader, std::vector<std::byte>& bytes, const Taken& ran) {
    if (!dispatcher_.read(reader, ran.lease, ran.slot)) {
      EXPECT_TRUE(behaviour_.loses_partitions) << "a lease of a lost engine was not kept";
      return;
    }
    bytes.resize(reader.batch_bytes());
    reader.write(bytes.data());
    dispatcher_.end_copy();
    for (const Taken& message : read_batch(bytes)) {
      check_bytes(message);
      EXPECT_EQ(message.attempt, ran.attempt);
    }
    blamed_ = true;
    const Settlement settlement{ran.lease, ran.slot, 5, Outcome::kRetried};
    dispatcher_.settle({&settlement, 1}, now_ms_);
  }

  static void check_bytes(const Taken& message) {
    ASSERT_EQ(message.key, std::to_string(key_of(message.offset)));
    ASSERT_EQ(message.value, value_of(message.partition, message.offset));
  }

  // A failure ends its run: what follows in the lane goes back with it, and is not run.
  void run_handlers(const std::vector<Taken>& taken, std::minstd_rand& random) {
    std::vector<Settlement> settlements;
    size_t failed_run = SIZE_MAX;
    for (size_t i = 0; i < taken.size(); ++i) {
      const Taken& message = taken[i];
      if (message.run == failed_run) continue;
      Partition& partition = partitions_[message.partition];
      std::atomic<bool>& running = partition.running[key_of(message.offset)];
      const bool first_of_run = i == 0 || taken[i - 1].run != message.run;
      // With fenced leases a key may run twice, once as a zombie.
      if (first_of_run && !behaviour_.loses_partitions) {
        EXPECT_FALSE(running.exchange(true)) << "a key runs twice";
      }
      const unsigned what = static_cast<unsigned>(random() % 100);
      const bool fails = what < 8;
      if (fails) failed_run = message.run;
      const bool last_of_run = fails || i + 1 == taken.size() || taken[i + 1].run != message.run;
      if (last_of_run) running.store(false);
      const Outcome failure = what < 4 ? Outcome::kRetried : Outcome::kReleased;
      const uint32_t delay_ms = what == 0 ? 3'000 : static_cast<uint32_t>(random() % 20);
      // Before the settlement: what is committed must be marked.
      if (!fails) partition.settled[static_cast<size_t>(message.offset)].store(true);
      settlements.push_back({message.lease, message.slot, delay_ms, fails ? failure : Outcome::kCompleted});
    }
    dispatcher_.settle(settlements, now_ms_);
    step();
  }

  // --- Commits and rebalances ---

  void run_rebalances() {
    std::minstd_rand random(7);
    while (!done()) {
      const size_t seen = steps_.load();
      for (const CommitSnapshot& snapshot : dispatcher_.changed()) check_commit(snapshot);
      EXPECT_LE(dispatcher_.stats().in_flight, 24U * 4U);
      if (random() % 5 == 0) rebalance(static_cast<PartitionId>(random() % kPartitions), random);
      if (caught_up()) return finish();
      steps_.wait(seen);
    }
  }

  void rebalance(PartitionId id, std::minstd_rand& random) {
    dispatcher_.begin_drain(id);
    const bool lost = behaviour_.loses_partitions && random() % 2 == 0;
    while (!lost && !dispatcher_.drained(id) && !done()) std::this_thread::yield();
    const auto snapshot = dispatcher_.snapshot(id);
    dispatcher_.release(id);
    if (snapshot) check_commit(*snapshot);
    assign(id, snapshot ? std::optional(snapshot->map) : std::nullopt);
  }

  void assign(PartitionId id, const std::optional<GapMap>& map) {
    Partition& partition = partitions_[id];
    // The epoch first: the ingest thread may still be in a batch of the one before.
    const uint64_t epoch = dispatcher_.assign(id, map);
    const std::lock_guard lock(partition.mutex);
    partition.epoch = epoch;
    partition.position = map ? map->base : 0;
  }

  // P1, while everything runs.
  void check_commit(const CommitSnapshot& snapshot) {
    const Partition& partition = partitions_[snapshot.partition];
    for (Offset offset = 0; offset <= snapshot.map.highest() && offset < kMessages; ++offset) {
      if (!snapshot.map.is_settled(offset)) continue;
      ASSERT_TRUE(partition.settled[static_cast<size_t>(offset)].load()) << "committed, not settled: " << offset;
    }
  }

  bool caught_up() const {
    for (PartitionId id = 0; id < kPartitions; ++id) {
      const auto snapshot = dispatcher_.snapshot(id);
      if (!snapshot || snapshot->map.base < kMessages) return false;
    }
    return true;
  }

  // --- The end ---

  void step() {
    ++steps_;
    steps_.notify_all();
  }
  bool done() const { return done_.load(); }
  void finish() {
    done_.store(true);
    for (Bell& bell : bells_) bell.ring();
    step();
  }

  void check_end() {
    const DispatcherStats stats = dispatcher_.stats();
    EXPECT_EQ(stats.buffered_messages, 0U);
    EXPECT_EQ(stats.buffered_bytes, 0U);
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_EQ(stats.lanes, 0U);
    EXPECT_GT(stats.retried, 0U);
    EXPECT_GT(stats.compactions, 0U) << "no taker was waited for";
    EXPECT_TRUE(blamed_) << "no engine was lost";
    if (behaviour_.loses_partitions) {
      EXPECT_GT(stats.rewinds, 0U);
    }
    for (const Partition& partition : partitions_) {
      EXPECT_TRUE(
          std::all_of(partition.settled.begin(), partition.settled.end(), [](const auto& is) { return is.load(); }));
    }
  }

  const Behaviour behaviour_;
  Dispatcher dispatcher_;
  std::array<Partition, kPartitions> partitions_;
  std::array<Bell, 3> bells_;
  std::atomic<int64_t> now_ms_ = 0;
  // Deliveries and settlements: whatever may move a committable offset.
  std::atomic<size_t> steps_ = 0;
  std::atomic<bool> done_ = false;
  std::atomic<uint64_t> next_ward_ = 1;
  std::mutex lost_mutex_;
  std::vector<Lost> lost_;
  std::atomic<bool> blamed_ = false;
};

TEST(DispatcherThreads, EverythingIsSettledInKeyOrderAcrossDrainedRebalances) {
  std::make_unique<Group>(Behaviour{.loses_partitions = false})->run();
}

TEST(DispatcherThreads, EverythingIsSettledAcrossLostPartitionsAndRewinds) {
  std::make_unique<Group>(Behaviour{.loses_partitions = true})->run();
}

// Compaction and a truncated log move and free bytes that an engine may be reading: they wait for it.
TEST(DispatcherThreads, ARewindWaitsForAnEngineThatCopies) {
  Harness harness;
  const uint64_t epoch = harness.assign();
  const std::string value(50'000, 'v');
  harness.put({{0, "a", value}, {1, "b", value}});
  ASSERT_EQ(harness.dispatcher.take(harness.taker, 10, Harness::kAnyBytes), 2U);
  std::atomic<bool> published = false;
  std::thread ingest([&] {
    harness.intake.open(0, epoch);
    EXPECT_TRUE(harness.intake.add(to_incoming({0, "c", "again"})));
    EXPECT_TRUE(harness.intake.publish());
    published = true;
  });
  std::vector<std::byte> bytes(harness.taker.batch_bytes());
  for (int i = 0; i < 100; ++i) {
    harness.taker.write(bytes.data());
    ASSERT_FALSE(published) << "freed while it is read";
    std::this_thread::yield();
  }
  harness.dispatcher.end_copy();
  ingest.join();
  for (const Taken& message : read_batch(bytes)) EXPECT_EQ(message.value, value);
  EXPECT_EQ(harness.dispatcher.in_flight(), 0U);
  const auto again = harness.take();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].value, "again");
}

TEST(DispatcherThreads, EnginesThatNeverStopTakingDoNotKeepAReleaseWaiting) {
  Harness harness;
  harness.assign(0);
  harness.assign(1);
  harness.put(sent_range(0, 64, std::nullopt, std::string(2'000, 'x')), 0);
  std::atomic<bool> released = false;
  std::vector<std::thread> engines;
  for (int i = 0; i < 2; ++i) {
    engines.emplace_back([&] {
      Taker taker;
      ASSERT_TRUE(harness.dispatcher.attach(taker, [] {}));
      while (!released) {
        for (const Taken& message : harness.take_with(taker, 4)) {
          const Settlement settlement{message.lease, message.slot, 0, Outcome::kReleased};
          harness.dispatcher.settle({&settlement, 1}, 0);
        }
      }
      harness.dispatcher.detach(taker, 0);
    });
  }
  for (int i = 0; i < 50; ++i) {
    harness.dispatcher.release(1);
    harness.assign(1);
  }
  released = true;
  for (std::thread& engine : engines) engine.join();
  EXPECT_EQ(harness.dispatcher.in_flight(), 0U);
}

}  // namespace
}  // namespace laneway
