// Feeds the two carriers of commit metadata, base32768 and base64: what anybody may have written must be refused or be
// the one spelling of its bytes, and any bytes must come back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/base32768.h"
#include "core/base64.h"

namespace {

using namespace laneway;

void require(bool holds) {
  if (!holds) std::abort();
}

// Only one text stands for some bytes: otherwise two readers could disagree on whether metadata has changed.
void decode_text(std::string_view text) {
  const auto of_base32768 = decode_base32768(text);
  if (of_base32768) require(encode_base32768(*of_base32768) == text);
  const auto of_base64 = decode_base64(text);
  if (of_base64) require(encode_base64(*of_base64) == text);
}

void round_trip(const std::vector<uint8_t>& bytes) {
  // The last unit may have room for one byte more, which is zero.
  auto of_base32768 = decode_base32768(encode_base32768(bytes));
  require(of_base32768.has_value());
  if (of_base32768->size() == bytes.size() + 1 && of_base32768->back() == 0) of_base32768->pop_back();
  require(*of_base32768 == bytes);
  const auto of_base64 = decode_base64(encode_base64(bytes));
  require(of_base64 && *of_base64 == bytes);
}

// Valid text with one byte changed, taken out or put in: the neighbourhood of what is really stored.
void decode_damaged(std::string text, size_t at, uint8_t how) {
  if (text.empty()) return;
  at %= text.size();
  if (how % 3 == 0) text[at] = static_cast<char>(text[at] ^ (how | 1));
  if (how % 3 == 1) text.erase(at, 1);
  if (how % 3 == 2) text.insert(at, 1, static_cast<char>(how));
  decode_text(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> bytes(data, data + size);
  decode_text({reinterpret_cast<const char*>(data), size});
  round_trip(bytes);
  if (size < 2) return 0;
  const size_t at = data[0] * size_t{256} + data[1];
  decode_damaged(encode_base32768(bytes), at, data[size - 1]);
  decode_damaged(encode_base64(bytes), at, data[size - 1]);
  return 0;
}
