// How an oracle says that a promise of DESIGN section 1 is broken: by throwing Broken, caught once, around a seed. The
// text is made only then, because checks run millions of times a second.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <string>

namespace laneway::simulation {

struct Broken {
  std::string what;
};

// `promise`: "P1" and so on, or what else is violated. The rest as printf.
[[noreturn, gnu::cold, gnu::format(printf, 2, 3)]] inline void broken(const char* promise, const char* format, ...) {
  char text[512];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  throw Broken{std::string(promise) + ": " + text};
}

// For printf's %lld.
template <typename T>
long long number(T value) {
  return static_cast<long long>(value);
}

}  // namespace laneway::simulation
