// What a broker that is loading or moving answers, against librdkafka's mock cluster with errors put in.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
// Needs rdkafka.h before it.
#include <librdkafka/rdkafka_mock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <span>
#include <thread>

#include "kafka/admin.h"
#include "kafka/consumer.h"
#include "kafka/producer.h"

namespace laneway {
namespace {

constexpr int16_t kListOffsets = 2;
constexpr int16_t kOffsetCommit = 8;
constexpr int16_t kOffsetFetch = 9;

class BrokerErrorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char reason[256];
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    ASSERT_NE(client_, nullptr) << reason;
    mock_ = rd_kafka_mock_cluster_new(client_, 1);
    rd_kafka_mock_group_initial_rebalance_delay_ms(mock_, 0);
    ASSERT_EQ(rd_kafka_mock_topic_create(mock_, "t", 2, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  void TearDown() override {
    rd_kafka_mock_cluster_destroy(mock_);
    rd_kafka_destroy(client_);
  }

  Properties properties() const { return {{"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mock_)}}; }

  // So many to each of the partitions.
  void produce(int count, int partitions) const {
    auto made = Producer::create(properties());
    auto& producer = *std::get<std::unique_ptr<Producer>>(made);
    for (int i = 0; i < count * partitions; ++i) {
      ASSERT_FALSE(producer.send({.topic = "t", .partition = i % partitions}));
    }
    ASSERT_FALSE(producer.flush(10'000));
  }

  std::unique_ptr<Consumer> consume() {
    ConsumerOptions options;
    options.properties = properties();
    options.properties["group.id"] = "g";
    options.properties["session.timeout.ms"] = "2000";
    options.properties["heartbeat.interval.ms"] = "200";
    // How long librdkafka waits before it sends a refused commit again: long after the last one has been sent.
    options.properties["retry.backoff.ms"] = "300";
    options.topics = {"t"};
    options.commit_interval_ms = 20;
    auto made = Consumer::create(options, [this](const ConsumerEvent& event) {
      const auto* assigned = std::get_if<AssignedEvent>(&event);
      if (assigned == nullptr) return;
      for (const AssignedPartition& partition : assigned->partitions) {
        if (partition.at.partition == 0) committed_ = partition.committed;
      }
      ++assigned_;
    });
    auto consumer = std::move(std::get<std::unique_ptr<Consumer>>(made));
    EXPECT_FALSE(consumer->start());
    return consumer;
  }

  // Since the tracking was started.
  int requests_seen(int16_t api) const {
    size_t count = 0;
    rd_kafka_mock_request_t** requests = rd_kafka_mock_get_requests(mock_, &count);
    const auto seen = std::count_if(requests, requests + count, [&](rd_kafka_mock_request_t* request) {
      return rd_kafka_mock_request_api_key(request) == api;
    });
    rd_kafka_mock_request_destroy_array(requests, count);
    return static_cast<int>(seen);
  }

  rd_kafka_t* client_ = nullptr;
  rd_kafka_mock_cluster_t* mock_ = nullptr;
  // What the last assignment found as committed.
  std::atomic<Offset> committed_ = -1;
  std::atomic<int> assigned_ = 0;
};

template <typename Condition>
bool comes_true(Condition condition, std::chrono::milliseconds within = std::chrono::seconds(30)) {
  const auto until = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Messages of the one partition, taken one after the other and settled when the test says so.
class Leases {
 public:
  explicit Leases(Consumer& consumer) : consumer_(consumer) {
    EXPECT_TRUE(consumer_.attach(taker_, [] {}));
  }
  ~Leases() { consumer_.detach(taker_); }

  bool take(size_t count) {
    return comes_true([&] {
      take_some();
      return taken_.size() >= count;
    });
  }

  void settle(size_t from, size_t to) { consumer_.settle(std::span(taken_).subspan(from, to - from)); }

 private:
  void take_some() {
    const size_t count = consumer_.take(taker_, 64, 100'000);
    if (count == 0) return;
    std::vector<std::byte> batch(taker_.batch_bytes());
    taker_.write(batch.data());
    consumer_.end_copy();
    const BatchLayout at{count, *reinterpret_cast<uint32_t*>(batch.data() + 4)};
    const auto* slots = reinterpret_cast<uint32_t*>(batch.data() + at.slots());
    const auto first = static_cast<uint64_t>(*reinterpret_cast<double*>(batch.data() + 8));
    for (size_t i = 0; i < count; ++i) taken_.push_back({first + i, slots[i], 0, Outcome::kCompleted});
  }

  Consumer& consumer_;
  Taker taker_;
  std::vector<Settlement> taken_;
};

TEST_F(BrokerErrorsTest, ACommitThatIsSentAgainNeverTakesTheLastOneBack) {
  produce(20, 1);
  {
    const auto consumer = consume();
    Leases leases(*consumer);
    ASSERT_TRUE(leases.take(20));
    rd_kafka_mock_start_request_tracking(mock_);
    rd_kafka_mock_push_request_errors(mock_, kOffsetCommit, 1, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    leases.settle(0, 10);
    ASSERT_TRUE(comes_true([&] { return requests_seen(kOffsetCommit) == 1; }));
    leases.settle(10, 20);
    consumer->close();
  }
  const auto next = consume();
  EXPECT_TRUE(comes_true([&] { return assigned_ == 2; }));
  EXPECT_EQ(committed_, 20);
  next->close();
}

// librdkafka 2.15.1 asks again for the present assignment, which has its position by then (docs/decisions/0005).
TEST_F(BrokerErrorsTest, AnAnswerForAnEarlierAssignmentNeverMovesTheFetchBack) {
  constexpr int kLateMs = 6'000;
  produce(10, 2);
  rd_kafka_mock_start_request_tracking(mock_);
  const rd_kafka_resp_err_t none = RD_KAFKA_RESP_ERR_NO_ERROR;
  rd_kafka_mock_broker_push_request_error_rtts(mock_, 1, kListOffsets, 2, none, kLateMs, none, kLateMs);
  const auto first = consume();
  ASSERT_TRUE(comes_true([&] { return requests_seen(kListOffsets) == 2; }));
  {
    // Takes one partition over, settles and commits it, and gives it back: the first one then has a position there.
    const auto second = consume();
    Leases leases(*second);
    ASSERT_TRUE(leases.take(10));
    leases.settle(0, 10);
    second->close();
  }
  // The other partition, from its beginning; nothing comes before the late answers.
  ASSERT_TRUE(comes_true([&] { return first->stats().dispatcher.delivered >= 10; }));
  // It takes librdkafka half a second to ask again.
  EXPECT_FALSE(comes_true([&] { return first->stats().dispatcher.rewinds > 0; }, std::chrono::seconds(2)));
  EXPECT_EQ(first->stats().dispatcher.delivered, 10U);
  first->close();
}

// librdkafka 2.15.1 dies of it where its client has no group (docs/decisions/0005).
TEST_F(BrokerErrorsTest, AGroupWhoseCoordinatorMovesIsAskedForAgain) {
  rd_kafka_mock_push_request_errors(mock_, kOffsetFetch, 1, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
  const auto seen = read_group(properties(), "g", OpenTransactions::kIgnored, 10'000);
  EXPECT_TRUE(std::holds_alternative<std::vector<GroupPartition>>(seen)) << std::get<KafkaFailure>(seen).message;
}

}  // namespace
}  // namespace laneway
