// The globals that weights need, and what each of them makes here. None runs any code of the file's
// choosing.
#include <algorithm>
#include <array>
#include <cstring>

#include <kestrel/tensor/pickle.h>

namespace kestrel {
namespace {

using Kind = PickleValue::Kind;
using Args = PickleValue::Items;

/// What values of the file are copied into is bounded: a reference to a large one takes two bytes.
void charge(Pickle& pickle, size_t bytes, const std::string& context) {
  if (bytes > pickle.may_copy) {
    fail<ModelFileError>(context, ": the pickle copies the same values too often");
  }
  pickle.may_copy -= bytes;
}

struct StorageType {
  std::string_view name;
  DType dtype;
};
constexpr std::array<StorageType, 10> kStorageTypes = {{
    {"torch.FloatStorage", DType::Float32},
    {"torch.DoubleStorage", DType::Float64},
    {"torch.HalfStorage", DType::Float16},
    {"torch.BFloat16Storage", DType::BFloat16},
    {"torch.LongStorage", DType::Int64},
    {"torch.IntStorage", DType::Int32},
    {"torch.ByteStorage", DType::UInt8},
    {"torch.BoolStorage", DType::Bool},
    {"torch.storage.UntypedStorage", DType::UInt8},
    {"torch.UntypedStorage", DType::UInt8},
}};

/// Storages of what Kestrel has no dtype for: read over, with a size to find what follows them in
/// old files.
struct UnreadType {
  std::string_view name;
  int64_t size;
};
constexpr std::array<UnreadType, 7> kUnreadTypes = {{
    {"torch.CharStorage", 1},
    {"torch.ShortStorage", 2},
    {"torch.ComplexFloatStorage", 8},
    {"torch.ComplexDoubleStorage", 16},
    {"torch.QInt8Storage", 1},
    {"torch.QUInt8Storage", 1},
    {"torch.QInt32Storage", 4},
}};

/// Only ever values, or arguments of those below.
constexpr std::array<std::string_view, 22> kPlainNames = {
    "torch.float32",         "torch.float64",
    "torch.float16",         "torch.bfloat16",
    "torch.int64",           "torch.int32",
    "torch.int16",           "torch.int8",
    "torch.uint8",           "torch.bool",
    "torch.strided",         "torch.contiguous_format",
    "torch.preserve_format", "torch.channels_last",
    "torch.Tensor",          "torch.nn.parameter.Parameter",
    "__builtin__.dict",      "builtins.dict",
    "__builtin__.list",      "builtins.list",
    "__builtin__.int",       "builtins.int"};

/// What is called with a tuple of arguments.
class Call {
 public:
  Call(Pickle& pickle, const PickleValue& function, const PickleValue& arguments,
       const std::string& context)
      : pickle_(pickle),
        name_(function.is(Kind::Name) ? function.as_text() : std::string()),
        args_(arguments.is(Kind::Tuple) ? arguments.items() : kNone),
        context_(context) {
    if (name_.empty() || !arguments.is(Kind::Tuple)) {
      fail<ModelFileError>(context, ": the pickle calls a ", name_of(function.kind), " with a ",
                           name_of(arguments.kind));
    }
  }

  PickleValue* run() const;

  using Maker = PickleValue* (Call::*)() const;
  struct Function {
    std::string_view name;
    Maker make;
  };
  static const std::array<Function, 16> kFunctions;

 private:
  const PickleValue& arg(size_t i) const {
    if (i < args_.size()) return *args_[i];
    fail<ModelFileError>(context_, ": ", name_, " has too few arguments");
  }
  PickleValue* opaque(std::string name) const {
    charge(pickle_, name.size(), context_);
    return pickle_.make(Kind::Opaque, std::move(name));
  }
  std::vector<int64_t> sizes(size_t i) const {
    std::vector<int64_t> result;
    for (const PickleValue* size : arg(i).items()) result.push_back(size->as_int());
    return result;
  }

  /// Text that the result is made of.
  const std::string& text(size_t i) const {
    const std::string& value = arg(i).as_text();
    charge(pickle_, value.size(), context_);
    return value;
  }
  /// The one argument where there is one, which is of that kind, else something empty.
  template <class T>
  PickleValue* argument_or(Kind kind, T otherwise) const {
    if (args_.empty()) return pickle_.make(kind, std::move(otherwise));
    if (!arg(0).is(kind)) return opaque(name_);
    return const_cast<PickleValue*>(&arg(0));  // all values are the machine's own
  }

  /// dict(), dict(other dict), dict(list of pairs), defaultdict(factory).
  PickleValue* dict() const {
    if (args_.empty() || arg(0).is(Kind::Name)) {
      return pickle_.make(Kind::Dict, PickleValue::Entries());
    }
    if (!arg(0).is(Kind::List)) return argument_or(Kind::Dict, PickleValue::Entries());
    charge(pickle_, arg(0).items().size() * sizeof(PickleValue::Entry), context_);
    PickleValue::Entries entries;
    for (const PickleValue* pair : arg(0).items()) {
      if (pair->items().size() != 2) return opaque(name_);
      entries.emplace_back(pair->items()[0], pair->items()[1]);
    }
    return pickle_.make(Kind::Dict, std::move(entries));
  }
  PickleValue* list() const { return argument_or(Kind::List, Args()); }
  PickleValue* tuple() const { return argument_or(Kind::Tuple, Args()); }
  /// torch.device("cuda", 0) as "cuda:0".
  PickleValue* device() const {
    std::string name = text(0);
    if (args_.size() > 1) name += ':' + std::to_string(arg(1).as_int());
    return pickle_.make(Kind::String, std::move(name));
  }
  /// (storage, offset, sizes, strides, ...); what follows is for gradients.
  PickleValue* tensor() const {
    const PickleValue& storage = arg(0);
    if (storage.is(Kind::Opaque)) return opaque(storage.opaque_name());
    if (!storage.is(Kind::Storage)) {
      fail<ModelFileError>(context_, ": a tensor has a ", name_of(storage.kind), " for storage");
    }
    const auto index = static_cast<size_t>(std::get<int64_t>(storage.value));
    if (const std::string& type = pickle_.storages[index].unread; !type.empty())
      return opaque(type);
    if (arg(2).items().size() > static_cast<size_t>(Shape::kMaxDims)) {
      return opaque("a tensor of " + std::to_string(arg(2).items().size()) + " dimensions");
    }
    PickleValue* result = pickle_.make(Kind::Tensor);
    pickle_.tensors.push_back({.value = result,
                               .storage = index,
                               .offset = arg(1).as_int(),
                               .sizes = sizes(2),
                               .strides = sizes(3)});
    return result;
  }
  /// _rebuild_parameter(tensor, requires_grad, hooks): the tensor.
  PickleValue* parameter() const {
    if (!arg(0).is(Kind::Tensor)) return opaque(name_);
    return const_cast<PickleValue*>(&arg(0));
  }
  /// A tensor with attributes: (function, class, arguments, attributes).
  PickleValue* tensor_with_attributes() const {
    if (!arg(0).is(Kind::Name)) return opaque(name_);
    const std::string& function = arg(0).as_text();
    if (function != "torch._utils._rebuild_tensor_v2" &&
        function != "torch._utils._rebuild_parameter") {
      return opaque(function);
    }
    return Call(pickle_, arg(0), arg(2), context_).run();
  }
  /// _codecs.encode(text, "latin1"): how protocol 2 writes bytes, as UTF-8 of two bytes at most.
  PickleValue* latin1() const {
    const std::string& utf8 = text(0);
    std::string bytes;
    for (size_t i = 0; i < utf8.size(); ++i) {
      const auto c = static_cast<unsigned char>(utf8[i]);
      if (c < 0x80) {
        bytes += utf8[i];
      } else if (i + 1 < utf8.size() && (c == 0xc2 || c == 0xc3)) {
        bytes += static_cast<char>((c & 3U) << 6 | (static_cast<unsigned char>(utf8[++i]) & 0x3fU));
      } else {
        fail<ModelFileError>(context_, ": text that should be latin1 is not");
      }
    }
    return pickle_.make(Kind::Bytes, std::move(bytes));
  }
  /// numpy.dtype("f8", ...): its name.
  PickleValue* numpy_dtype() const { return pickle_.make(Kind::Name, text(0)); }
  /// numpy's scalar(dtype, bytes).
  PickleValue* numpy_scalar() const {
    const std::string& dtype = arg(0).as_text();
    ByteReader in(std::as_bytes(std::span(arg(1).as_text())), context_);
    if (dtype == "f8") return pickle_.make(Kind::Float, in.number<double>());
    if (dtype == "f4") return pickle_.make(Kind::Float, double{in.number<float>()});
    if (dtype == "i8") return pickle_.make(Kind::Int, in.number<int64_t>());
    if (dtype == "i4") return pickle_.make(Kind::Int, int64_t{in.number<int32_t>()});
    if (dtype == "b1") return pickle_.make(Kind::Bool, int64_t{in.number<uint8_t>() != 0});
    return opaque(name_ + " " + dtype);
  }
  /// argparse.Namespace() and the like, whose content comes by set_state.
  PickleValue* empty_dict() const { return pickle_.make(Kind::Dict, PickleValue::Entries()); }

  static const Args kNone;
  Pickle& pickle_;
  std::string name_;
  const Args& args_;
  const std::string& context_;
};

const Args Call::kNone = {};

const std::array<Call::Function, 16> Call::kFunctions = {{
    {"collections.OrderedDict", &Call::dict},
    {"collections.Counter", &Call::dict},
    {"collections.defaultdict", &Call::dict},
    {"__builtin__.set", &Call::list},
    {"builtins.set", &Call::list},
    {"torch.Size", &Call::tuple},
    {"torch.device", &Call::device},
    {"torch._utils._rebuild_tensor", &Call::tensor},
    {"torch._utils._rebuild_tensor_v2", &Call::tensor},
    {"torch._utils._rebuild_parameter", &Call::parameter},
    {"torch._tensor._rebuild_from_type_v2", &Call::tensor_with_attributes},
    {"_codecs.encode", &Call::latin1},
    {"numpy.dtype", &Call::numpy_dtype},
    {"numpy.core.multiarray.scalar", &Call::numpy_scalar},
    {"numpy._core.multiarray.scalar", &Call::numpy_scalar},
    {"argparse.Namespace", &Call::empty_dict},
}};

PickleValue* Call::run() const {
  const auto* const function = std::ranges::find(kFunctions, name_, &Function::name);
  if (function == kFunctions.end()) return opaque(name_);
  try {
    return (this->*function->make)();
  } catch (const PickleKindError&) {
    return opaque(name_);  // of arguments that weights do not have
  }
}

const StorageType* find_storage_type(std::string_view name) {
  const auto* const found = std::ranges::find(kStorageTypes, name, &StorageType::name);
  return found == kStorageTypes.end() ? nullptr : found;
}

}  // namespace

namespace pickle_globals {

PickleValue* find(Pickle& pickle, const std::string& name) {
  const bool known =
      find_storage_type(name) != nullptr ||
      std::ranges::find(kPlainNames, name) != kPlainNames.end() ||
      std::ranges::find(Call::kFunctions, name, &Call::Function::name) != Call::kFunctions.end();
  return pickle.make(known ? Kind::Name : Kind::Opaque, name);
}

PickleValue* call(Pickle& pickle, const PickleValue& function, const PickleValue& arguments,
                  const std::string& context) {
  if (function.is(Kind::Opaque) && arguments.is(Kind::Tuple)) {
    charge(pickle, function.opaque_name().size(), context);
    return pickle.make(Kind::Opaque, function.opaque_name());
  }
  return Call(pickle, function, arguments, context).run();
}

void set_state(Pickle& pickle, PickleValue& object, const PickleValue& state,
               const std::string& context) {
  if (object.is(Kind::Opaque) || object.is(Kind::List) || object.is(Kind::Tensor)) return;
  if (object.is(Kind::Name)) {  // numpy.dtype: (version, byte order, ...)
    const bool plain = state.is(Kind::Tuple) && state.items().size() > 1 &&
                       state.items()[1]->is(Kind::String) && state.items()[1]->as_text() != ">";
    if (!plain) object.kind = Kind::Opaque;
    return;
  }
  if (!object.is(Kind::Dict)) {
    fail<ModelFileError>(context, ": the pickle gives a ", name_of(object.kind), " a state");
  }
  // A state_dict's own attributes (_metadata) are nothing that Kestrel needs; a Namespace has
  // nothing else.
  auto& entries = std::get<PickleValue::Entries>(object.value);
  if (!entries.empty() || !state.is(Kind::Dict)) return;
  charge(pickle, state.entries().size() * sizeof(PickleValue::Entry), context);
  entries = state.entries();
}

std::string_view storage_name(DType dtype) {
  constexpr std::string_view kModule = "torch.";
  return std::ranges::find(kStorageTypes, dtype, &StorageType::dtype)->name.substr(kModule.size());
}

PickleValue* load_persistent(Pickle& pickle, const PickleValue& id, const std::string& context) {
  const auto& fields = id.items();
  if (fields.size() < 5 || fields[0]->as_text() != "storage") {
    fail<ModelFileError>(context, ": the pickle refers to something that is no storage");
  }
  PickledStorage storage{.key = fields[2]->as_text(), .elements = fields[4]->as_int()};
  const PickleValue& given = *fields[1];
  const StorageType* type = given.is(Kind::Name) ? find_storage_type(given.as_text()) : nullptr;
  if (type != nullptr) {
    storage.dtype = type->dtype;
  } else {
    storage.unread = given.is(Kind::Opaque) ? given.opaque_name() : given.as_text();
    charge(pickle, storage.unread.size(), context);
    const auto* const known = std::ranges::find(kUnreadTypes, storage.unread, &UnreadType::name);
    if (known != kUnreadTypes.end()) storage.unread_size = known->size;
  }
  if (fields.size() > 5 && !fields[5]->is(Kind::None)) {  // (key, begin, elements)
    const auto& view = fields[5]->items();
    if (view.size() != 3) fail<ModelFileError>(context, ": a storage's view is malformed");
    storage.begin = view[1]->as_int();
    storage.elements = view[2]->as_int();
  }
  charge(pickle, storage.key.size(), context);
  pickle.storages.push_back(std::move(storage));
  return pickle.make(Kind::Storage, static_cast<int64_t>(pickle.storages.size() - 1));
}

}  // namespace pickle_globals
}  // namespace kestrel
