#pragma once

#include <string>
#include <string_view>

#include <kestrel/kernels/error.h>

namespace kestrel::python {

/// A file's text and the name that it has in errors.
struct Source {
  std::string name;
  std::string_view text;

  template <class... Parts>
  [[noreturn]] void fail(int line, const Parts&... parts) const {
    kestrel::fail<UsageError>(name, ':', line, ": ", parts...);
  }
  /// For what is Python, and more than a config may hold.
  [[noreturn]] void refuse(int line, std::string_view construct) const {
    fail(line, construct,
         " is not supported: a config is read without Python, and may hold assignments of numbers, "
         "text, dict(...), lists, tuples, names, arithmetic, indexing and comprehensions");
  }
};

}  // namespace kestrel::python
