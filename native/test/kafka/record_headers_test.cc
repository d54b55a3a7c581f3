// Headers that do not decode: told once per partition and interval, and never mistaken for none. A broker refuses such
// records and librdkafka cannot write them: they are put on the wire of the mock cluster, which stores what it gets.
#include "kafka/record_headers.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kafka/consumer.h"
#include "kafka/mock_cluster.h"

namespace laneway {
namespace {

TEST(RecordHeadersTest, OnlyTheAnswerNoneMeansNone) {
  EXPECT_EQ(classify_headers(RD_KAFKA_RESP_ERR_NO_ERROR), HeadersRead::kRead);
  EXPECT_EQ(classify_headers(RD_KAFKA_RESP_ERR__NOENT), HeadersRead::kNone);
  EXPECT_EQ(classify_headers(RD_KAFKA_RESP_ERR__BAD_MSG), HeadersRead::kMalformed);
  EXPECT_EQ(classify_headers(RD_KAFKA_RESP_ERR__UNDERFLOW), HeadersRead::kMalformed);
}

TEST(RecordHeadersTest, MalformedOnesAreToldAtOnceAndThenOncePerInterval) {
  MalformedHeaders malformed;
  EXPECT_EQ(malformed.add(5), 1U);
  EXPECT_EQ(malformed.add(6), 0U);
  EXPECT_EQ(malformed.add(4 + MalformedHeaders::kIntervalMs), 0U);
  EXPECT_EQ(malformed.add(5 + MalformedHeaders::kIntervalMs), 3U);
  EXPECT_EQ(malformed.add(6 + MalformedHeaders::kIntervalMs), 0U);
}

// The Kafka protocol's primitive types, in the byte order of the network.
class Wire {
 public:
  template <typename Integer>
  Wire& put(Integer value) {
    for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8) {
      bytes += static_cast<char>(static_cast<uint64_t>(value) >> shift);
    }
    return *this;
  }
  Wire& varint(int64_t value) {
    auto zigzag = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
    for (; zigzag >= 0x80; zigzag >>= 7) bytes += static_cast<char>(zigzag | 0x80);
    bytes += static_cast<char>(zigzag);
    return *this;
  }
  Wire& raw(const std::string& text) {
    bytes += text;
    return *this;
  }

  std::string bytes;
};

// A record batch (magic 2) of one record with these bytes for headers.
std::string record_batch(const std::string& headers) {
  Wire record;
  record.put<int8_t>(0).varint(0).varint(0).varint(1).raw("k").varint(1).raw("v").raw(headers);
  Wire batch;
  batch.put<int32_t>(-1).put<int8_t>(2).put<int32_t>(0).put<int16_t>(0).put<int32_t>(0);
  batch.put<int64_t>(1'000).put<int64_t>(1'000).put<int64_t>(-1).put<int16_t>(-1).put<int32_t>(-1).put<int32_t>(1);
  batch.varint(static_cast<int64_t>(record.bytes.size())).raw(record.bytes);
  Wire whole;
  whole.put<int64_t>(0).put(static_cast<int32_t>(batch.bytes.size())).raw(batch.bytes);
  return whole.bytes;
}

// Produce, version 3, to partition 0.
std::string produce_request(const std::string& topic, const std::string& records) {
  Wire body;
  body.put<int16_t>(0).put<int16_t>(3).put<int32_t>(1).put<int16_t>(-1);
  body.put<int16_t>(-1).put<int16_t>(1).put<int32_t>(5'000).put<int32_t>(1);
  body.put(static_cast<int16_t>(topic.size())).raw(topic).put<int32_t>(1).put<int32_t>(0);
  body.put(static_cast<int32_t>(records.size())).raw(records);
  Wire request;
  request.put(static_cast<int32_t>(body.bytes.size())).raw(body.bytes);
  return request.bytes;
}

// Sends one record with these bytes for headers and waits until it is in the log.
void produce_raw(const MockCluster& cluster, const std::string& topic, const std::string& headers) {
  const std::string servers = cluster.bootstrap_servers();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(servers.substr(servers.rfind(':') + 1))));
  const int broker = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(connect(broker, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string request = produce_request(topic, record_batch(headers));
  ASSERT_EQ(send(broker, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  // Size, correlation id, one topic, its name, one partition, its number: then the error.
  std::string answer(4 + 4 + 4 + 2 + topic.size() + 4 + 4 + 2, '\0');
  ASSERT_EQ(recv(broker, answer.data(), answer.size(), MSG_WAITALL), static_cast<ssize_t>(answer.size()));
  close(broker);
  EXPECT_EQ(answer.substr(answer.size() - 2), std::string(2, '\0'));
}

std::string one_header() { return Wire().varint(1).varint(1).raw("h").varint(1).raw("x").bytes; }
std::string cut_short() { return Wire().varint(1).varint(100).raw("h").bytes; }
std::string far_too_many() { return Wire().varint(1'000'000).raw("h").bytes; }

class MalformedHeadersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = MockCluster::create(1);
    cluster_ = std::move(std::get<std::unique_ptr<MockCluster>>(made));
    ASSERT_FALSE(cluster_->create_topic("t", 1));
  }

  std::unique_ptr<Consumer> consume() {
    ConsumerOptions options;
    options.properties = {{"bootstrap.servers", cluster_->bootstrap_servers()}, {"group.id", "g"}};
    options.topics = {"t"};
    auto made = Consumer::create(options, [this](const ConsumerEvent& event) {
      const std::lock_guard lock(mutex_);
      if (const auto* failure = std::get_if<FailureEvent>(&event)) failures_.push_back(failure->failure);
    });
    auto consumer = std::move(std::get<std::unique_ptr<Consumer>>(made));
    EXPECT_FALSE(consumer->start());
    return consumer;
  }

  std::vector<KafkaFailure> failures() {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

  std::unique_ptr<MockCluster> cluster_;
  std::mutex mutex_;
  std::vector<KafkaFailure> failures_;
};

TEST_F(MalformedHeadersTest, ArriveWithoutThemAndAreToldOnce) {
  for (const std::string& headers : {one_header(), cut_short(), far_too_many(), one_header()}) {
    produce_raw(*cluster_, "t", headers);
  }
  const auto consumer = consume();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (consumer->stats().dispatcher.buffered_messages < 4 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(consumer->stats().dispatcher.buffered_messages, 4U);
  consumer->close();
  const std::vector<KafkaFailure> told = failures();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_FALSE(told[0].fatal);
  EXPECT_EQ(told[0].kafka_error, "_BAD_MSG");
  EXPECT_EQ(told[0].message,
            "t [0] at offset 1: the headers do not decode, the message is handed over without them (such messages "
            "since the last warning: 1)");
}

}  // namespace
}  // namespace laneway
