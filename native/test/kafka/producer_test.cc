// The producer: what it says about a record that failed, and close() in the middle of everything. The sanitizers see
// what the assertions cannot: reads past a value, and a client that ends under a thread that uses it.
#include "kafka/producer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "kafka/mock_cluster.h"

namespace laneway {
namespace {

std::unique_ptr<Producer> producer_of(const Properties& properties) {
  auto made = Producer::create(properties);
  EXPECT_TRUE(std::holds_alternative<std::unique_ptr<Producer>>(made));
  return std::move(std::get<std::unique_ptr<Producer>>(made));
}

std::unique_ptr<MockCluster> cluster_with(const std::string& topic) {
  auto made = MockCluster::create(1);
  auto cluster = std::move(std::get<std::unique_ptr<MockCluster>>(made));
  EXPECT_FALSE(cluster->create_topic(topic, 2));
  return cluster;
}

TEST(ProducerTest, FailsTypedWhereNobodyListens) {
  const auto producer = producer_of({{"bootstrap.servers", "127.0.0.1:1"}, {"message.timeout.ms", "300"}});
  ASSERT_FALSE(producer->send({.topic = "t"}));
  const auto failure = producer->flush(5'000);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, "TIMED_OUT");
  EXPECT_EQ(producer->failed(), 1U);
}

TEST(ProducerTest, NeverPutsARecordIntoTheTextOfItsFailure) {
  const auto producer = producer_of({{"bootstrap.servers", "127.0.0.1:1"}, {"message.timeout.ms", "300"}});
  // Without a 0 at its end: what reads it as a string runs past it.
  const std::string value(64, 's');
  OutgoingRecord record{.topic = "t"};
  record.value = std::as_bytes(std::span(value));
  ASSERT_FALSE(producer->send(record));
  const auto failure = producer->flush(5'000);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->message.find("ssss"), std::string::npos) << failure->message;
  EXPECT_EQ(failure->message, "t: Local: Message timed out");
  EXPECT_EQ(failure->kafka_error, "_MSG_TIMED_OUT");
}

TEST(ProducerTest, TellsTheFailureOnceAndTheNextFlushSucceeds) {
  const auto producer = producer_of({{"bootstrap.servers", "127.0.0.1:1"}, {"message.timeout.ms", "300"}});
  ASSERT_FALSE(producer->send({.topic = "t"}));
  ASSERT_TRUE(producer->flush(5'000));
  EXPECT_FALSE(producer->flush(5'000));
}

TEST(ProducerTest, MayBeClosedWhileOthersSendAndFlush) {
  const auto cluster = cluster_with("t");
  for (int round = 0; round < 5; ++round) {
    const auto producer = producer_of({{"bootstrap.servers", cluster->bootstrap_servers()}});
    std::vector<std::thread> users;
    for (int each = 0; each < 2; ++each) {
      users.emplace_back([&] {
        while (true) {
          const auto failure = producer->send({.topic = "t"});
          if (failure && failure->code == "PRODUCER_CLOSED") return;
        }
      });
    }
    users.emplace_back([&] {
      while (true) {
        const auto failure = producer->flush(1'000);
        if (failure && failure->code == "PRODUCER_CLOSED") return;
      }
    });
    while (producer->delivered() == 0) std::this_thread::yield();
    std::thread other([&] { producer->close(); });
    producer->close();
    other.join();
    for (std::thread& user : users) user.join();
    EXPECT_EQ(producer->send({.topic = "t"})->code, "PRODUCER_CLOSED");
  }
}

TEST(ProducerTest, CloseEndsAFlushThatNobodyWouldAnswer) {
  const auto producer = producer_of({{"bootstrap.servers", "127.0.0.1:1"}});
  ASSERT_FALSE(producer->send({.topic = "t"}));
  std::atomic<bool> began = false;
  std::thread flusher([&] {
    began = true;
    const auto failure = producer->flush(3'600'000);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, "PRODUCER_CLOSED");
  });
  while (!began) std::this_thread::yield();
  producer->close();
  flusher.join();
}

TEST(ProducerTest, CountsARecordAsFailedThatCloseTookBack) {
  const auto producer = producer_of({{"bootstrap.servers", "127.0.0.1:1"}});
  ASSERT_FALSE(producer->send({.topic = "t"}));
  EXPECT_EQ(producer->queued(), 1U);
  producer->close();
  EXPECT_EQ(producer->failed(), 1U);
  EXPECT_EQ(producer->queued(), 0U);
}

}  // namespace
}  // namespace laneway
