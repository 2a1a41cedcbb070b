#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <kestrel/tensor/byte_reader.h>
#include <kestrel/tensor/pickle_value.h>

/// Reading Python's pickles as far as torch.save writes them. Nothing is executed: opcodes and
/// globals are looked up in lists (pickle.cpp, pickle_globals.cpp). Any other opcode is an error;
/// what any other global makes is an opaque value, which is an error only where it is needed.
namespace kestrel {

/// A torch storage that a pickle refers to; its bytes lie elsewhere in the file.
struct PickledStorage {
  std::string key;
  DType dtype = DType::Float32;
  /// Where Kestrel has no such dtype: its name in torch, and the size of an element; 0: not known.
  std::string unread = {};
  int64_t unread_size = 0;
  int64_t elements = 0;
  /// In old files: elements [begin, begin + elements) of the storage `key`.
  std::optional<int64_t> begin = {};
};

/// A tensor whose value is set once the storages are known.
struct PickledTensor {
  PickleValue* value = nullptr;
  size_t storage = 0;  ///< Index into Pickle::storages.
  int64_t offset = 0;  ///< In elements, as the strides.
  std::vector<int64_t> sizes, strides;
};

/// What a pickle holds.
struct Pickle {
  std::deque<PickleValue> values;  ///< Owns all of them.
  PickleValue* root = nullptr;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
  size_t may_copy = 0;  ///< Bytes that the functions of the list below may still copy.

  PickleValue* make(PickleValue::Kind kind);
  template <class T>
  PickleValue* make(PickleValue::Kind kind, T value) {
    PickleValue* result = make(kind);
    result->value = std::move(value);
    return result;
  }
};

/// Reads one pickle from where `in` stands up to its STOP. Sizes, the number of values and their
/// depth are bounded, and no value contains itself. Throws ModelFileError.
Pickle read_pickle(ByteReader& in);

/// The globals that a pickle names.
namespace pickle_globals {

/// A name, where it is in the list of those that weights need; else something opaque.
PickleValue* find(Pickle& pickle, const std::string& name);

/// The result of calling `function` with `arguments`, a tuple; opaque where the function is.
PickleValue* call(Pickle& pickle, const PickleValue& function, const PickleValue& arguments,
                  const std::string& context);

/// Python's object.__setstate__ for what can have such a state.
void set_state(Pickle& pickle, PickleValue& object, const PickleValue& state,
               const std::string& context);

/// The name of a dtype's storage, such as "FloatStorage", in torch.
std::string_view storage_name(DType dtype);

/// The storage that a persistent id stands for.
PickleValue* load_persistent(Pickle& pickle, const PickleValue& id, const std::string& context);

}  // namespace pickle_globals
}  // namespace kestrel
