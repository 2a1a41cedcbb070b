#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <kestrel/tensor/tensor.h>

namespace kestrel {

/// A value of a checkpoint is of another kind than it was taken for.
class PickleKindError : public ModelFileError {
 public:
  using ModelFileError::ModelFileError;
};

/// A value that Python pickled into a checkpoint: a tree of which parts may be shared. The as_
/// functions, items() and entries() throw PickleKindError where it is of another kind.
struct PickleValue {
  enum class Kind : uint8_t {
    None,
    Bool,
    Int,
    Float,
    String,
    Bytes,  ///< Python's bytes; also an integer beyond 64 bits, in two's complement.
    Tuple,
    List,
    Dict,
    Tensor,
    Storage,  ///< Of tensors; an index, of no use by itself.
    Name,     ///< Of a class, function or dtype, such as "torch.float32".
    Opaque,   ///< Made by a class or function that weights do not need; only its name is known.
  };
  using Entry = std::pair<const PickleValue*, const PickleValue*>;
  using Items = std::vector<const PickleValue*>;
  using Entries = std::vector<Entry>;

  Kind kind = Kind::None;
  std::variant<std::monostate, int64_t, double, std::string, Items, Entries, kestrel::Tensor> value;

  bool is(Kind k) const { return kind == k; }
  bool as_bool() const;
  int64_t as_int() const;
  /// A float or an int.
  double as_float() const;
  /// A string, bytes or a name.
  const std::string& as_text() const;
  /// Of an opaque value: the class or function that it is of.
  const std::string& opaque_name() const;
  const kestrel::Tensor& as_tensor() const;
  /// The items of a list or tuple.
  const Items& items() const;
  /// The entries of a dict in their order.
  const Entries& entries() const;
  /// The value of a dict's text key; null where there is none, and for what is no dict.
  const PickleValue* find(std::string_view key) const;
};

/// "dict", "list", ...
std::string_view name_of(PickleValue::Kind kind);
/// What a value is, for messages: "a dict", "an int", or "a value of 'pathlib.PosixPath'".
std::string describe(const PickleValue& value);

}  // namespace kestrel
