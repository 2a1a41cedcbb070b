#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <kestrel/registry/python/value.h>

namespace kestrel::python {

struct CallArguments {
  Items positional = {};
  std::vector<std::pair<std::string, Value>> named = {};
};

/// The built-in functions that a config may call: dict, list, tuple, len, range, enumerate, zip,
/// min, max, sum, abs, int, float, str, bool.
bool is_function(std::string_view name);
Value call_function(Heap& heap, int line, std::string_view name, const CallArguments& arguments);

/// The methods: update, keys, values and items of a dict.
bool is_method(std::string_view name);
Value call_method(Heap& heap, int line, std::string_view name, const Value& of,
                  const CallArguments& arguments);

/// What a loop over the value goes through. An iterator is empty afterwards.
Items iterate(Heap& heap, int line, const Value& value);

}  // namespace kestrel::python
