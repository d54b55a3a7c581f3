// Transactions against librdkafka's mock cluster, which answers a transaction's requests, and with errors where it is
// told to. It forgets offsets that are sent in a transaction and shows open transactions to everyone: what readers see
// is for the tests on a real broker. Titles are the promises.
#include "kafka/transaction_writer.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka_mock.h>

#include <string>

namespace laneway {
namespace {

using Result = TransactionWriter::Result;

// Request types of Kafka's protocol.
constexpr int16_t kProduce = 0;
constexpr int16_t kEndTxn = 26;
constexpr int16_t kTxnOffsetCommit = 28;
constexpr int kTimeoutMs = 10'000;
constexpr int kShortMs = 500;

class TransactionWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto owner = make_client(RD_KAFKA_PRODUCER, {});
    owner_ = std::move(std::get<ClientHandle>(owner));
    cluster_ = rd_kafka_mock_cluster_new(owner_.get(), 1);
    servers_ = rd_kafka_mock_cluster_bootstraps(cluster_);
    rd_kafka_mock_topic_create(cluster_, "in", 2, 1);
    rd_kafka_mock_topic_create(cluster_, "out", 1, 1);
    auto consumer = make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", servers_}, {"group.id", "g"}});
    consumer_ = std::move(std::get<ClientHandle>(consumer));
    auto made = TransactionWriter::create({{"bootstrap.servers", servers_}, {"transactional.id", "t"}});
    writer_ = std::move(std::get<std::unique_ptr<TransactionWriter>>(made));
    Result prepared = Result::kUnanswered;
    for (int i = 0; i < 10 && prepared == Result::kUnanswered; ++i) prepared = writer_->prepare(kTimeoutMs);
    ASSERT_EQ(prepared, Result::kCommitted);
  }

  void TearDown() override {
    writer_.reset();
    consumer_.reset();
    rd_kafka_mock_cluster_destroy(cluster_);
  }

  // An output for each of these offsets of a partition of "in".
  void add(PartitionId partition, std::initializer_list<Offset> offsets, size_t value_size = 3) {
    CommitSnapshot snapshot{partition, /*epoch=*/7, {}, {}};
    const std::vector<std::byte> value(value_size);
    for (const Offset offset : offsets) {
      OutgoingRecord record{.topic = "out", .partition = 0};
      record.value = value;
      snapshot.outputs.push_back({offset, std::make_unique<KafkaOutput>(record)});
      size_ = snapshot.outputs.back().output->size();
    }
    writer_->add(snapshot);
  }

  // All settled messages of a partition below this offset.
  Result commit(PartitionId partition, Offset covered, int timeout_ms = kTimeoutMs) {
    const PartitionList offsets(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(offsets.get(), "in", static_cast<int32_t>(partition))->offset = covered;
    return writer_->commit(consumer_.get(), offsets.get(), {{partition, 7, covered}}, timeout_ms);
  }

  // How many outputs are no longer kept, or counted, since the last call.
  size_t released() { return writer_->take_released_bytes() / size_; }

  void fail_next(int16_t request, rd_kafka_resp_err_t error, int delay_ms = 0) {
    rd_kafka_mock_broker_push_request_error_rtts(cluster_, 1, request, 1, error, delay_ms);
  }

  ClientHandle owner_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::string servers_;
  ClientHandle consumer_;
  std::unique_ptr<TransactionWriter> writer_;
  size_t size_ = 1;
};

TEST_F(TransactionWriterTest, ACommittedTransactionReleasesItsOutputs) {
  add(0, {0, 1, 2});
  EXPECT_EQ(commit(0, 3), Result::kCommitted);
  EXPECT_EQ(released(), 3);
  EXPECT_FALSE(writer_->unanswered());
}

TEST_F(TransactionWriterTest, OutputsThatTheGapMapDoesNotCoverWaitAndAreNotCounted) {
  add(0, {0, 1, 8, 9});
  EXPECT_EQ(commit(0, 5), Result::kCommitted);
  EXPECT_EQ(released(), 4);
  // Of what was released two are still kept: counted once, sent now.
  add(0, {2});
  EXPECT_EQ(commit(0, 10), Result::kCommitted);
  EXPECT_EQ(released(), 1);
}

TEST_F(TransactionWriterTest, OutputsThatWaitForRoomAreCountedOnce) {
  add(0, {0, 1});
  writer_->set_aside();
  EXPECT_EQ(released(), 2);
  EXPECT_EQ(commit(0, 2), Result::kCommitted);
  EXPECT_EQ(released(), 0);
}

TEST_F(TransactionWriterTest, WhatOutputsWereCommittedForMustStayCovered) {
  writer_->assigned(0, 4);
  EXPECT_EQ(writer_->must_cover(0), 4) << "an earlier owner's";
  add(0, {2, 6});
  fail_next(kTxnOffsetCommit, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
  EXPECT_EQ(commit(0, 9), Result::kAborted);
  EXPECT_EQ(writer_->must_cover(0), 4);
  EXPECT_EQ(commit(0, 9), Result::kCommitted);
  EXPECT_EQ(writer_->must_cover(0), 7);
  writer_->assigned(0, 0);
  EXPECT_EQ(writer_->must_cover(0), 0) << "as the log and the group are then";
}

TEST_F(TransactionWriterTest, OutputsOfAPartitionThatIsNotInTheTransactionAreNotSent) {
  add(1, {0});
  EXPECT_EQ(commit(0, 5), Result::kCommitted);
  fail_next(kProduce, RD_KAFKA_RESP_ERR_INVALID_RECORD);
  EXPECT_EQ(commit(1, 1), Result::kFailed) << "it is only now that it is sent";
}

TEST_F(TransactionWriterTest, AMemberThatTheGroupHasLostAbortsAndSendsTheSameOutputsAgain) {
  add(0, {0, 1});
  fail_next(kTxnOffsetCommit, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
  EXPECT_EQ(commit(0, 2), Result::kAborted);
  EXPECT_EQ(writer_->failure().code, "MEMBERSHIP_LOST");
  EXPECT_FALSE(writer_->failure().fatal);
  EXPECT_EQ(released(), 0);
  EXPECT_EQ(commit(0, 2), Result::kCommitted);
  EXPECT_EQ(released(), 2);
}

TEST_F(TransactionWriterTest, MetadataThatIsTooLargeAbortsAndSaysSo) {
  add(0, {0});
  fail_next(kTxnOffsetCommit, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE);
  EXPECT_EQ(commit(0, 1), Result::kAborted);
  EXPECT_EQ(writer_->failure().code, "METADATA_TOO_LARGE");
  EXPECT_EQ(commit(0, 1), Result::kCommitted);
}

TEST_F(TransactionWriterTest, ACommitThatIsNotAnsweredInTimeIsAskedAboutAgainAndNotSentAgain) {
  add(0, {0, 1});
  fail_next(kEndTxn, RD_KAFKA_RESP_ERR_NO_ERROR, 3 * kShortMs);
  EXPECT_EQ(commit(0, 2, kShortMs), Result::kUnanswered);
  EXPECT_EQ(writer_->failure().code, "TIMED_OUT");
  EXPECT_TRUE(writer_->unanswered());
  add(0, {2});
  EXPECT_EQ(commit(0, 3), Result::kCommitted);
  EXPECT_EQ(released(), 2) << "what came meanwhile goes with the next one";
  EXPECT_EQ(commit(0, 3), Result::kCommitted);
  EXPECT_EQ(released(), 1);
}

TEST_F(TransactionWriterTest, ACommitThatIsRefusedForAMomentIsRepeated) {
  add(0, {0});
  fail_next(kEndTxn, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
  EXPECT_EQ(commit(0, 1), Result::kCommitted);
}

TEST_F(TransactionWriterTest, ACommitThatFailsForAnUnknownReasonIsAborted) {
  add(0, {0});
  fail_next(kEndTxn, RD_KAFKA_RESP_ERR_UNKNOWN);
  EXPECT_EQ(commit(0, 1), Result::kAborted);
  EXPECT_EQ(commit(0, 1), Result::kCommitted);
}

TEST_F(TransactionWriterTest, AnAbortOfATransactionThatTheBrokerDoesNotKnowBeginsAnew) {
  add(0, {0, 1});
  fail_next(kTxnOffsetCommit, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
  fail_next(kEndTxn, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
  EXPECT_EQ(commit(0, 2), Result::kAborted);
  EXPECT_EQ(commit(0, 2), Result::kCommitted);
  EXPECT_EQ(released(), 2);
}

TEST_F(TransactionWriterTest, OffsetsOfATransactionThatTheBrokerDoesNotKnowBeginAnew) {
  add(0, {0});
  fail_next(kTxnOffsetCommit, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
  EXPECT_EQ(commit(0, 1), Result::kAborted);
  EXPECT_EQ(commit(0, 1), Result::kCommitted);
}

TEST_F(TransactionWriterTest, ACommitThatMayHaveHappenedIsNeverRepeatedByAnotherProducer) {
  add(0, {0});
  fail_next(kEndTxn, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
  EXPECT_EQ(commit(0, 1), Result::kFailed);
  EXPECT_TRUE(writer_->failure().fatal);
}

TEST_F(TransactionWriterTest, AFencedProducerFailsForGood) {
  add(0, {0});
  fail_next(kEndTxn, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
  EXPECT_EQ(commit(0, 1), Result::kFailed);
  EXPECT_EQ(writer_->failure().code, "FENCED");
  EXPECT_TRUE(writer_->failure().fatal);
  EXPECT_EQ(commit(0, 1), Result::kFailed);
}

TEST_F(TransactionWriterTest, AnOutputThatIsTooLargeFailsForGood) {
  add(0, {0}, 2'000'000);
  EXPECT_EQ(commit(0, 1), Result::kFailed);
  EXPECT_EQ(writer_->failure().code, "MESSAGE_TOO_LARGE");
  EXPECT_TRUE(writer_->failure().fatal);
}

TEST_F(TransactionWriterTest, OutputsOfAPartitionThatIsGoneAreForgotten) {
  add(0, {0});
  add(1, {0, 1});
  writer_->forget(1);
  EXPECT_EQ(released(), 2);
  EXPECT_EQ(commit(0, 1), Result::kCommitted);
  EXPECT_EQ(released(), 1);
}

TEST_F(TransactionWriterTest, OutputsThatAnUndecidedTransactionHasSentAreKeptUntilItIsDecided) {
  add(0, {0});
  fail_next(kEndTxn, RD_KAFKA_RESP_ERR_NO_ERROR, 3 * kShortMs);
  EXPECT_EQ(commit(0, 1, kShortMs), Result::kUnanswered);
  writer_->forget(0);
  EXPECT_EQ(released(), 0);
  EXPECT_EQ(commit(0, 1), Result::kCommitted);
  EXPECT_EQ(released(), 1);
}

TEST_F(TransactionWriterTest, AWriterThatEndsWithAnUndecidedTransactionDoesNotHang) {
  add(0, {0});
  fail_next(kEndTxn, RD_KAFKA_RESP_ERR_NO_ERROR, 20 * kShortMs);
  EXPECT_EQ(commit(0, 1, kShortMs), Result::kUnanswered);
  writer_.reset();
}

}  // namespace
}  // namespace laneway
