// Failures as values: what went wrong, under a stable code. Core never throws across its own boundary.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace laneway {

// `code` is stable and documented in ts/errors.ts (upper snake case, e.g. "METADATA_CORRUPT"); `message` says what was
// expected and what was seen.
struct Failure {
  std::string code;
  std::string message;
};

template <typename T>
class Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Failure failure)
      : state_(std::in_place_index<1>, std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Failure& failure() const { return std::get<1>(state_); }

 private:
  std::variant<T, Failure> state_;
};

}  // namespace laneway
