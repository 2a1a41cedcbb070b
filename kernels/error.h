#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace kestrel {

/// What Kestrel throws. The text names the op or file in brackets, the value, what was expected and
/// what to do: "[conv2d] weight must be (out, kh, kw, in), got (3, 3)".
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A command line or config that cannot be used.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// A data set, image or annotation that cannot be used.
class DataError : public Error {
 public:
  using Error::Error;
};

/// A weights file or checkpoint that cannot be used.
class ModelFileError : public Error {
 public:
  using Error::Error;
};

/// Memory that could not be had.
class OutOfMemoryError : public Error {
 public:
  using Error::Error;
};

/// Training whose loss became infinite or NaN.
class NonFiniteLossError : public Error {
 public:
  using Error::Error;
};

/// Throws E with the parts streamed into one text.
template <class E = Error, class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw E(text.str());
}

}  // namespace kestrel

/// Throws kestrel::Error with the given parts unless the condition holds.
#define KESTREL_CHECK(condition, ...) \
  do {                                \
    if (!(condition)) [[unlikely]]    \
      ::kestrel::fail(__VA_ARGS__);   \
  } while (false)
