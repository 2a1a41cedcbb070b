#pragma once

#include <string_view>

#include <kestrel/registry/python/value.h>

namespace kestrel::python {

// What Python's operators do with these values. Each throws UsageError with the line where Python
// raises an exception, and where a whole number leaves 64 bits.

Value unary(Heap& heap, int line, std::string_view op, const Value& value);
Value binary(Heap& heap, int line, std::string_view op, const Value& a, const Value& b);
Value power(Heap& heap, int line, const Value& base, const Value& exponent);
bool compare(Heap& heap, int line, std::string_view op, const Value& a, const Value& b);
Value item(Heap& heap, int line, const Value& of, const Value& index);
/// Bounds that are None were left away.
Value slice(Heap& heap, int line, const Value& of, const Value& start, const Value& stop,
            const Value& step);
/// The characters of a text, each a text.
Items characters(Heap& heap, int line, const std::string& text);
int64_t length(Heap& heap, int line, const Value& value);

}  // namespace kestrel::python
