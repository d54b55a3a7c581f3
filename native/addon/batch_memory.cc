// See batch_memory.h.
#include "addon/batch_memory.h"

#include <utility>

namespace laneway {

namespace {

// Holds what the engines take at most at once (MAX_BYTES in ts/engines/executor/messages.ts), with its columns.
constexpr size_t kBlockBytes = size_t{1} << 20;
// Smaller batches come from the heap's warm memory as it is.
constexpr size_t kMinBytes = kBlockBytes / 8;
// V8 collects young objects that hold this much in ArrayBuffers, but only looks when it makes one itself.
constexpr size_t kYoungBytes = size_t{32} << 20;
// What is taken until collected blocks have come back, with the event loop's next turn, has room, too.
constexpr size_t kMaxBlocks = 64;

void let_v8_look(napi_env env) {
  void* data = nullptr;
  napi_value array_buffer = nullptr;
  napi_create_arraybuffer(env, 1, &data, &array_buffer);
}

std::optional<BatchMemory::Buffer> from_v8(napi_env env, size_t bytes) {
  // Unlike an ArrayBuffer, a Buffer is not zeroed.
  void* data = nullptr;
  napi_value view = nullptr;
  napi_value array_buffer = nullptr;
  size_t offset = 0;
  const bool made = napi_create_buffer(env, bytes, &data, &view) == napi_ok &&
                    napi_get_typedarray_info(env, view, nullptr, nullptr, nullptr, &array_buffer, &offset) == napi_ok &&
                    offset == 0;
  if (!made) return std::nullopt;
  return BatchMemory::Buffer{array_buffer, static_cast<std::byte*>(data)};
}

}  // namespace

struct BatchMemory::Loan {
  std::shared_ptr<BatchMemory> from;
  Block block;
  size_t bytes;
};

std::optional<BatchMemory::Buffer> BatchMemory::allocate(napi_env env, size_t bytes) {
  const bool is_pooled = may_lend_ && bytes >= kMinBytes && bytes <= kBlockBytes;
  if (is_pooled) {
    if (auto buffer = lend(env, bytes)) return buffer;
  }
  return from_v8(env, bytes);
}

std::optional<BatchMemory::Buffer> BatchMemory::lend(napi_env env, size_t bytes) {
  if (lent_bytes_ >= kYoungBytes) let_v8_look(env);
  if (idle_.empty()) {
    if (blocks_ == kMaxBlocks) return std::nullopt;
    idle_.push_back(std::make_unique_for_overwrite<std::byte[]>(kBlockBytes));
    ++blocks_;
  }
  auto loan = std::unique_ptr<Loan>(new Loan{shared_from_this(), std::move(idle_.back()), bytes});
  idle_.pop_back();
  std::byte* const data = loan->block.get();
  napi_value array_buffer = nullptr;
  if (napi_create_external_arraybuffer(env, data, bytes, &BatchMemory::give_back, loan.get(), &array_buffer) !=
      napi_ok) {
    may_lend_ = false;
    return std::nullopt;
  }
  (void)loan.release();
  lent_bytes_ += bytes;
  int64_t told = 0;
  napi_adjust_external_memory(env, -static_cast<int64_t>(bytes), &told);
  return Buffer{array_buffer, data};
}

void BatchMemory::give_back(napi_env env, void*, void* hint) {
  const std::unique_ptr<Loan> loan(static_cast<Loan*>(hint));
  int64_t told = 0;
  napi_adjust_external_memory(env, static_cast<int64_t>(loan->bytes), &told);
  loan->from->lent_bytes_ -= loan->bytes;
  loan->from->idle_.push_back(std::move(loan->block));
}

}  // namespace laneway
