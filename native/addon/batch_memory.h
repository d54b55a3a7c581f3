// The ArrayBuffers that batches are written to.
//
// Large ones lie in blocks that are used again once V8 has collected what lay in them, never while anybody can still
// read it. Fresh memory for each would cost more than the copy into it: the system clears its pages, and V8 collects
// its whole heap for every few ten MB that it is told of. It is not told of these blocks: it finds them by its quick
// collections of young objects, and they are few. Whatever goes beyond them is V8's own memory, which it counts.
//
// One thread's, which is that of the JavaScript environment. Held by each of its blocks that is in use.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace laneway {

class BatchMemory : public std::enable_shared_from_this<BatchMemory> {
 public:
  struct Buffer {
    napi_value array_buffer;
    std::byte* data;
  };

  // Not zeroed. Nothing where there is no memory.
  std::optional<Buffer> allocate(napi_env env, size_t bytes);

 private:
  using Block = std::unique_ptr<std::byte[]>;
  struct Loan;

  std::optional<Buffer> lend(napi_env env, size_t bytes);
  static void give_back(napi_env env, void* data, void* loan);

  std::vector<Block> idle_;
  size_t blocks_ = 0;
  size_t lent_bytes_ = 0;
  // Some runtimes allow no memory but V8's own.
  bool may_lend_ = true;
};

}  // namespace laneway
