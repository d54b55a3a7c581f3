// See record_headers.h.
#include "kafka/record_headers.h"

#include <cstring>
#include <utility>

namespace laneway {

namespace {

void append(std::vector<std::byte>& to, const void* from, size_t size) {
  const size_t at = to.size();
  to.resize(at + size);
  if (size != 0) std::memcpy(to.data() + at, from, size);
}

}  // namespace

HeadersRead classify_headers(rd_kafka_resp_err_t answer) {
  if (answer == RD_KAFKA_RESP_ERR_NO_ERROR) return HeadersRead::kRead;
  // Everything else is a failure of its parser: _BAD_MSG for what cannot be, _UNDERFLOW for what is cut short.
  return answer == RD_KAFKA_RESP_ERR__NOENT ? HeadersRead::kNone : HeadersRead::kMalformed;
}

HeadersRead read_headers(const rd_kafka_message_t& message, std::vector<std::byte>& to) {
  rd_kafka_headers_t* headers = nullptr;
  const HeadersRead read = classify_headers(rd_kafka_message_headers(&message, &headers));
  if (read != HeadersRead::kRead) return read;
  to.clear();
  const auto count = static_cast<uint32_t>(rd_kafka_header_cnt(headers));
  if (count == 0) return HeadersRead::kNone;
  append(to, &count, sizeof count);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    const auto name_size = static_cast<uint32_t>(std::strlen(name));
    const int32_t value_size = value == nullptr ? -1 : static_cast<int32_t>(size);
    append(to, &name_size, sizeof name_size);
    append(to, &value_size, sizeof value_size);
    append(to, name, name_size);
    if (value != nullptr) append(to, value, size);
  }
  return HeadersRead::kRead;
}

uint64_t MalformedHeaders::add(int64_t now_ms) {
  ++untold_;
  if (told_ms_ && now_ms - *told_ms_ < kIntervalMs) return 0;
  told_ms_ = now_ms;
  return std::exchange(untold_, 0);
}

}  // namespace laneway
