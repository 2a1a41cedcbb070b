#include <kestrel/tensor/pickle_value.h>

#include <algorithm>
#include <array>

namespace kestrel {
namespace {

using Kind = PickleValue::Kind;

[[noreturn]] void fail_for(const PickleValue& value, const char* wanted) {
  if (value.is(Kind::Opaque)) {
    fail<PickleKindError>(
        "a value of '", value.opaque_name(), "' is where ", wanted,
        " belongs; that is not among what weights need, and nothing was executed");
  }
  fail<PickleKindError>("a ", name_of(value.kind), " is where ", wanted, " belongs");
}

template <class T>
const T& get(const PickleValue& value, const char* wanted) {
  if (const T* found = std::get_if<T>(&value.value)) return *found;
  fail_for(value, wanted);
}

}  // namespace

std::string_view name_of(Kind kind) {
  constexpr std::array<std::string_view, 13> kNames = {
      "None", "bool", "int",    "float",   "str",  "bytes",       "tuple",
      "list", "dict", "tensor", "storage", "name", "opaque value"};
  return kNames[static_cast<size_t>(kind)];
}

std::string describe(const PickleValue& value) {
  if (value.is(Kind::Opaque)) return "a value of '" + value.opaque_name() + "'";
  return (value.is(Kind::Int) ? "an " : "a ") + std::string(name_of(value.kind));
}

bool PickleValue::as_bool() const {
  if (kind != Kind::Bool) fail_for(*this, "a bool");
  return get<int64_t>(*this, "a bool") != 0;
}

int64_t PickleValue::as_int() const {
  return get<int64_t>(*this, "an int");
}

double PickleValue::as_float() const {
  if (const auto* integer = std::get_if<int64_t>(&value)) return static_cast<double>(*integer);
  return get<double>(*this, "a number");
}

const std::string& PickleValue::as_text() const {
  if (kind == Kind::Opaque) fail_for(*this, "text");
  return get<std::string>(*this, "text");
}

const std::string& PickleValue::opaque_name() const {
  return std::get<std::string>(value);
}

const Tensor& PickleValue::as_tensor() const {
  return get<kestrel::Tensor>(*this, "a tensor");
}

const PickleValue::Items& PickleValue::items() const {
  return get<Items>(*this, "a list or tuple");
}

const PickleValue::Entries& PickleValue::entries() const {
  return get<Entries>(*this, "a dict");
}

const PickleValue* PickleValue::find(std::string_view key) const {
  if (kind != Kind::Dict) return nullptr;
  // The last assignment to a key is the one that counts.
  const auto found = std::find_if(entries().rbegin(), entries().rend(), [&](const Entry& entry) {
    return entry.first->kind == Kind::String && entry.first->as_text() == key;
  });
  return found == entries().rend() ? nullptr : found->second;
}

}  // namespace kestrel
