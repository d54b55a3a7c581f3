// The Kafka adapter against librdkafka's mock cluster: threads, rebalances, commits and recovery without Node, so that
// the sanitizers see them.
#include "kafka/consumer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "kafka/mock_cluster.h"
#include "kafka/producer.h"

namespace laneway {
namespace {

using Clock = std::chrono::steady_clock;

class ConsumerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = MockCluster::create(1);
    ASSERT_TRUE(std::holds_alternative<std::unique_ptr<MockCluster>>(made));
    cluster_ = std::move(std::get<std::unique_ptr<MockCluster>>(made));
    ASSERT_FALSE(cluster_->create_topic("t", 4));
  }

  void produce(int from, int count) {
    auto made = Producer::create({{"bootstrap.servers", cluster_->bootstrap_servers()}});
    auto& producer = *std::get<std::unique_ptr<Producer>>(made);
    for (int i = from; i < from + count; ++i) {
      const std::string key = "k" + std::to_string(i % 50);
      OutgoingRecord record{.topic = "t", .partition = i % 4};
      record.key = std::as_bytes(std::span(key));
      record.value = std::as_bytes(std::span(key));
      if (i % 7 == 0) record.headers.push_back({"h", std::nullopt});
      ASSERT_FALSE(producer.send(record));
    }
    ASSERT_FALSE(producer.flush(10'000));
    EXPECT_EQ(producer.delivered(), static_cast<uint64_t>(count));
  }

  std::unique_ptr<Consumer> consume(const DispatcherOptions& dispatcher = {}) {
    ConsumerOptions options;
    options.dispatcher = dispatcher;
    options.properties = {{"bootstrap.servers", cluster_->bootstrap_servers()},
                          {"group.id", "g"},
                          {"heartbeat.interval.ms", "200"},
                          // The mock cluster waits nearly this long for members before it ends a rebalance.
                          {"session.timeout.ms", "2000"}};
    options.topics = {"t"};
    options.commit_interval_ms = 20;
    options.rebalance_timeout_ms = 2'000;
    auto made = Consumer::create(options, [this](const ConsumerEvent& event) {
      if (const auto* failure = std::get_if<FailureEvent>(&event)) fatal_ += failure->failure.fatal ? 1 : 0;
    });
    auto consumer = std::move(std::get<std::unique_ptr<Consumer>>(made));
    EXPECT_FALSE(consumer->start());
    return consumer;
  }

  std::unique_ptr<MockCluster> cluster_;
  std::atomic<int> fatal_ = 0;
};

// An engine thread that settles everything it takes.
class Worker {
 public:
  explicit Worker(Consumer& consumer) : consumer_(consumer) {
    EXPECT_TRUE(consumer_.attach(taker_, [] {}));
    thread_ = std::thread([this] { run(); });
  }
  ~Worker() {
    stop_ = true;
    thread_.join();
    consumer_.detach(taker_);
  }
  int settled() const { return settled_; }

 private:
  void run() {
    std::vector<std::byte> batch;
    std::vector<Settlement> settlements;
    while (!stop_) {
      const size_t count = consumer_.take(taker_, 64, 100'000);
      if (count == 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      batch.resize(taker_.batch_bytes());
      taker_.write(batch.data());
      consumer_.end_copy();
      const BatchLayout at{count, *reinterpret_cast<uint32_t*>(batch.data() + 4)};
      const auto* slots = reinterpret_cast<uint32_t*>(batch.data() + at.slots());
      const auto first = static_cast<uint64_t>(*reinterpret_cast<double*>(batch.data() + 8));
      settlements.clear();
      for (size_t i = 0; i < count; ++i) settlements.push_back({first + i, slots[i], 0, Outcome::kCompleted});
      consumer_.settle(settlements);
      settled_ += static_cast<int>(count);
    }
  }

  Consumer& consumer_;
  Taker taker_;
  std::thread thread_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> settled_ = 0;
};

template <typename Condition>
bool comes_true(Condition condition) {
  const auto until = Clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

TEST_F(ConsumerTest, DeliversEverythingToSeveralEnginesAndGoesOnWhereItStopped) {
  produce(0, 4'000);
  {
    const auto consumer = consume();
    Worker one(*consumer);
    Worker two(*consumer);
    EXPECT_TRUE(comes_true([&] { return one.settled() + two.settled() == 4'000; }));
    consumer->close();
    EXPECT_EQ(consumer->stats().dispatcher.settled, 4'000U);
  }
  produce(4'000, 400);
  const auto consumer = consume();
  Worker one(*consumer);
  EXPECT_TRUE(comes_true([&] { return one.settled() >= 400; }));
  EXPECT_EQ(one.settled(), 400);
  consumer->close();
  EXPECT_EQ(fatal_, 0);
}

TEST_F(ConsumerTest, GoesOnWithPartitionsThatItHadNoRoomFor) {
  produce(0, 4'000);
  const auto consumer = consume({.max_buffered_messages = 16});
  Worker worker(*consumer);
  EXPECT_TRUE(comes_true([&] { return worker.settled() == 4'000; }));
  consumer->close();
  EXPECT_EQ(fatal_, 0);
}

TEST_F(ConsumerTest, SharesPartitionsWithASecondMemberAndTakesThemBack) {
  produce(0, 1'000);
  const auto first = consume();
  Worker one(*first);
  EXPECT_TRUE(comes_true([&] { return one.settled() == 1'000; }));
  {
    const auto second = consume();
    Worker two(*second);
    EXPECT_TRUE(comes_true([&] { return second->stats().partitions.size() == 2; }));
    produce(1'000, 1'000);
    // At least: a member that a loaded machine starves is thrown out, and what it had runs again.
    EXPECT_TRUE(comes_true([&] { return one.settled() + two.settled() >= 2'000; }));
    second->close();
  }
  EXPECT_TRUE(comes_true([&] { return first->stats().partitions.size() == 4; }));
  produce(2'000, 1'000);
  EXPECT_TRUE(comes_true([&] { return first->stats().dispatcher.buffered_messages == 0 && one.settled() >= 1'000; }));
  first->close();
  EXPECT_EQ(fatal_, 0);
}

TEST_F(ConsumerTest, ClosesWithLeasesThatNobodySettles) {
  produce(0, 100);
  const auto consumer = consume();
  Taker taker;
  ASSERT_TRUE(consumer->attach(taker, [] {}));
  EXPECT_TRUE(comes_true([&] { return consumer->take(taker, 10, 10'000) > 0; }));
  consumer->end_copy();
  EXPECT_FALSE(consumer->wait_drained(20));
  consumer->close();
  consumer->close();
  EXPECT_EQ(consumer->take(taker, 10, 10'000), 0U);
  consumer->detach(taker);
}

TEST_F(ConsumerTest, StartsAndClosesManyTimes) {
  // At any moment of joining: a rebalance may be on its way when the consumer closes.
  for (int i = 0; i < 40; ++i) {
    const auto consumer = consume();
    std::this_thread::sleep_for(std::chrono::milliseconds(i % 4 == 0 ? 0 : 3 * i));
    consumer->close();
  }
  EXPECT_EQ(fatal_, 0);
}

TEST_F(ConsumerTest, MayBeAskedAndClosedByAnyThreadAtAnyMoment) {
  for (int round = 0; round < 3; ++round) {
    produce(1'000 * round, 1'000);
    const auto consumer = consume();
    Worker one(*consumer);
    Worker two(*consumer);
    std::atomic<bool> stop = false;
    std::atomic<uint64_t> asked = 0;
    std::thread observer([&] {
      for (; !stop; ++asked) {
        for (const ConsumerPartitionStats& partition : consumer->stats().partitions) {
          EXPECT_EQ(consumer->at(partition.dispatcher.partition), partition.at);
        }
      }
    });
    std::thread waiter([&] {
      while (!stop) consumer->wait_drained(1);
    });
    EXPECT_TRUE(comes_true([&] { return one.settled() + two.settled() >= 100 * round && asked > 10; }));
    // In the first round before it has joined, in the second while another member takes partitions away.
    const auto other = round == 1 ? consume() : nullptr;
    std::thread closer([&] { consumer->close(); });
    consumer->close();
    closer.join();
    stop = true;
    observer.join();
    waiter.join();
  }
  EXPECT_EQ(fatal_, 0);
}

TEST(ConsumerOptionsTest, RefusesAWrongPropertyByNameAndNeverShowsASecret) {
  ConsumerOptions options;
  options.topics = {"t"};
  options.properties = {{"group.id", "g"}, {"no.such.property", "1"}};
  auto made = Consumer::create(options, [](const ConsumerEvent&) {});
  ASSERT_TRUE(std::holds_alternative<KafkaFailure>(made));
  EXPECT_EQ(std::get<KafkaFailure>(made).code, "CONFIG_INVALID");
  EXPECT_NE(std::get<KafkaFailure>(made).message.find("no.such.property"), std::string::npos);
  options.properties = {{"group.id", "g"}, {"ssl.key.pem", "hunter2"}};
  made = Consumer::create(options, [](const ConsumerEvent&) {});
  if (const auto* failure = std::get_if<KafkaFailure>(&made)) {
    EXPECT_EQ(failure->message.find("hunter2"), std::string::npos);
  }
}

}  // namespace
}  // namespace laneway
