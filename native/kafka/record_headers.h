// The headers of a record, from librdkafka's form to that of a batch (core/batch_layout.h), and how often a partition
// is complained about whose headers do not decode.
//
// librdkafka parses headers when they are asked for, not when a message is fetched: a message whose headers are broken
// (by a faulty producer or proxy; a broker would have refused it) arrives like any other. Silence would look as if it
// had none.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace laneway {

enum class HeadersRead { kNone, kRead, kMalformed };

// What rd_kafka_message_headers() answered.
HeadersRead classify_headers(rd_kafka_resp_err_t answer);

// Encodes the headers as batch_layout.h says; `to` is of use only for kRead.
HeadersRead read_headers(const rd_kafka_message_t& message, std::vector<std::byte>& to);

// The malformed headers of one partition: told at the first one, then at most once in each interval.
class MalformedHeaders {
 public:
  static constexpr int64_t kIntervalMs = 60'000;

  // One more. How many there are to be told of now, or 0.
  uint64_t add(int64_t now_ms);

 private:
  uint64_t untold_ = 0;
  std::optional<int64_t> told_ms_;
};

}  // namespace laneway
