// See outgoing.h.
#include "kafka/outgoing.h"

#include <cstring>

namespace laneway {

namespace {

rd_kafka_headers_t* to_headers(const std::vector<OutgoingHeader>& headers) {
  rd_kafka_headers_t* list = rd_kafka_headers_new(headers.size());
  for (const OutgoingHeader& header : headers) {
    const void* value = header.value ? header.value->data() : nullptr;
    const auto size = static_cast<ssize_t>(header.value ? header.value->size() : 0);
    rd_kafka_header_add(list, header.name.data(), static_cast<ssize_t>(header.name.size()), value, size);
  }
  return list;
}

// librdkafka takes a null pointer for null, so that an empty value needs an address.
rd_kafka_vu_t bytes_of(rd_kafka_vtype_t type, const std::optional<std::span<const std::byte>>& bytes) {
  static const char kEmpty = 0;
  rd_kafka_vu_t unit{};
  unit.vtype = type;
  const void* data = !bytes ? nullptr : (bytes->empty() ? static_cast<const void*>(&kEmpty) : bytes->data());
  unit.u.mem.ptr = const_cast<void*>(data);
  unit.u.mem.size = bytes ? bytes->size() : 0;
  return unit;
}

template <typename T>
T read(std::span<const std::byte>& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

std::string read_text(std::span<const std::byte>& bytes, size_t size) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), size);
  bytes = bytes.subspan(size);
  return text;
}

}  // namespace

ErrorHandle produce(rd_kafka_t* client, const OutgoingRecord& record, void* opaque) {
  std::vector<rd_kafka_vu_t> units(7);
  units[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  units[0].u.cstr = record.topic.c_str();
  units[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  units[1].u.i32 = record.partition;
  units[2] = bytes_of(RD_KAFKA_VTYPE_KEY, record.key);
  units[3] = bytes_of(RD_KAFKA_VTYPE_VALUE, record.value);
  units[4].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
  units[4].u.i64 = record.timestamp_ms;
  units[5].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  units[5].u.i = RD_KAFKA_MSG_F_COPY;
  units[6].vtype = RD_KAFKA_VTYPE_OPAQUE;
  units[6].u.ptr = opaque;
  rd_kafka_headers_t* headers = record.headers.empty() ? nullptr : to_headers(record.headers);
  if (headers != nullptr) {
    rd_kafka_vu_t unit{};
    unit.vtype = RD_KAFKA_VTYPE_HEADERS;
    unit.u.headers = headers;
    units.push_back(unit);
  }
  ErrorHandle error(rd_kafka_produceva(client, units.data(), units.size()));
  // librdkafka owns the headers only when it has taken the record.
  if (error && headers != nullptr) rd_kafka_headers_destroy(headers);
  return error;
}

std::vector<OutgoingHeader> decode_headers(std::span<const std::byte> encoded) {
  std::vector<OutgoingHeader> headers;
  if (encoded.empty()) return headers;
  for (auto left = read<uint32_t>(encoded); left > 0; --left) {
    const auto name_size = read<uint32_t>(encoded);
    const auto value_size = read<int32_t>(encoded);
    OutgoingHeader header{read_text(encoded, name_size), std::nullopt};
    if (value_size >= 0) header.value = read_text(encoded, static_cast<size_t>(value_size));
    headers.push_back(std::move(header));
  }
  return headers;
}

}  // namespace laneway
