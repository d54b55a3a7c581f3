// What a handler has produced and nobody may see before its message is settled: it goes out in the transaction that
// carries the message's offset. The core keeps it with the message's lease and knows nothing of its inside.
#pragma once

#include <cstddef>

namespace laneway {

class Output {
 public:
  Output() = default;
  virtual ~Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  // Bytes that it keeps, at least 1: counted against the budget.
  virtual size_t size() const = 0;
};

}  // namespace laneway
