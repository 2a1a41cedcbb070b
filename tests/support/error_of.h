#pragma once

#include <string>

#include <kestrel/kernels/error.h>

namespace kestrel::test {

/// The text of the E that f throws, "" where it throws nothing. Another exception passes through.
template <class E = Error, class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace kestrel::test
