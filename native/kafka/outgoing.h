// A record on its way to Kafka, and the one place that hands records to librdkafka.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kafka/handles.h"

namespace laneway {

struct OutgoingHeader {
  std::string name;
  std::optional<std::string> value;
};

// The spans are read during produce() only. A missing key or value is null.
struct OutgoingRecord {
  std::string topic;
  int32_t partition = -1;    // -1: by the key
  int64_t timestamp_ms = 0;  // 0: now
  std::optional<std::span<const std::byte>> key;
  std::optional<std::span<const std::byte>> value;
  std::vector<OutgoingHeader> headers;
};

// Copies the record into the client's queue; `opaque` comes back with its delivery report. nullptr: it was taken.
ErrorHandle produce(rd_kafka_t* client, const OutgoingRecord& record, void* opaque);

// Headers as batch_layout.h encodes them. The bytes are laneway's own.
std::vector<OutgoingHeader> decode_headers(std::span<const std::byte> encoded);

}  // namespace laneway
