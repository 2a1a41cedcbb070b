#include <kestrel/tensor/pth.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>

#include <kestrel/kernels/log.h>
#include <kestrel/tensor/file_tensor.h>
#include <kestrel/tensor/mapped_file.h>
#include <kestrel/tensor/pickle.h>
#include <kestrel/tensor/zip_archive.h>

namespace kestrel {
namespace {

using Kind = PickleValue::Kind;
using Bytes = std::span<const std::byte>;
using Owner = std::shared_ptr<const void>;

// torch.save's first pickle, before PyTorch 1.6: 0x1950a86a20f9469cfc6c.
constexpr std::string_view kLegacyMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kLegacyVersion = 1001;
/// Strided tensors are copied; what they come to is bounded by the file and this.
constexpr uint64_t kMaxExtraCopies = 64 << 20;

/// The bytes of every storage, by key.
using StorageBytes = std::map<std::string, Bytes, std::less<>>;

/// Gives the tensors of a pickle their values.
class TensorMaker {
 public:
  TensorMaker(const StorageBytes& bytes, Owner owner, uint64_t file_size, std::string context)
      : bytes_(bytes),
        owner_(std::move(owner)),
        copies_left_(file_size + kMaxExtraCopies),
        context_(std::move(context)) {}

  Tensor make(const Pickle& pickle, const PickledTensor& tensor) {
    const PickledStorage& storage = pickle.storages[tensor.storage];
    const Tensor all = whole(storage);
    const int64_t begin = storage.begin.value_or(0);
    if (begin < 0 || storage.elements < 0 || begin > all.numel() - storage.elements) {
      refuse(storage, " is viewed beyond its ", all.numel(), " elements");
    }
    if (tensor.sizes.size() != tensor.strides.size()) refuse(storage, " has a malformed tensor");
    const Shape shape = checked_shape(tensor, storage);
    const int64_t first = begin + tensor.offset;
    if (is_dense(shape, tensor.strides)) {
      return all.slice(first, first + shape.numel()).reshape(shape);
    }
    return copy_strided(all, first, shape, tensor.strides);
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const PickledStorage& storage, const Parts&... parts) const {
    fail<ModelFileError>(context_, ": storage '", storage.key, "' of ", storage.dtype, parts...);
  }

  void charge(uint64_t bytes) {
    if (bytes > copies_left_) {
      fail<ModelFileError>(context_, ": its strided tensors are many times the file's size");
    }
    copies_left_ -= bytes;
  }

  /// All elements of a storage. Tensors that are tied share it.
  Tensor whole(const PickledStorage& storage) {
    const auto [made, is_new] = made_.try_emplace({storage.key, storage.dtype});
    if (!is_new) return made->second;
    const auto found = bytes_.find(storage.key);
    if (found == bytes_.end()) refuse(storage, " is not in the file");
    const Bytes bytes = found->second;
    const int64_t size = size_of(storage.dtype);
    const auto elements = static_cast<int64_t>(bytes.size()) / size;
    if (static_cast<int64_t>(bytes.size()) % size != 0 ||
        (!storage.begin && elements != storage.elements)) {
      refuse(storage, " should have ", storage.elements, " elements, the file has ", bytes.size(),
             " bytes of it");
    }
    return made->second = tensor_of_file(bytes, {elements}, storage.dtype, owner_, context_);
  }

  /// The shape, if every element of it lies within the storage.
  Shape checked_shape(const PickledTensor& tensor, const PickledStorage& storage) const {
    int64_t elements = 1;  // as if empty dimensions had one
    int64_t last = tensor.offset;
    bool empty = false;
    bool fits = tensor.offset >= 0;
    for (size_t i = 0; i < tensor.sizes.size() && fits; ++i) {
      const int64_t size = tensor.sizes[i];
      int64_t step = 0;
      empty = empty || size == 0;
      fits = size >= 0 && tensor.strides[i] >= 0 &&
             !__builtin_mul_overflow(elements, std::max<int64_t>(size, 1), &elements) &&
             elements <= int64_t{1} << 56 &&
             !__builtin_mul_overflow(std::max<int64_t>(size - 1, 0), tensor.strides[i], &step) &&
             !__builtin_add_overflow(last, step, &last);
    }
    const Shape shape{std::span(tensor.sizes)};
    if (!fits || (empty ? tensor.offset > storage.elements : last >= storage.elements)) {
      refuse(storage, " has ", storage.elements, " elements, too few for a tensor ", shape,
             " that begins at ", tensor.offset);
    }
    return shape;
  }

  static bool is_dense(const Shape& shape, const std::vector<int64_t>& strides) {
    if (shape.numel() == 0) return true;
    for (int i = 0; i < shape.dims(); ++i) {
      if (shape[i] != 1 && strides[static_cast<size_t>(i)] != shape.stride(i)) return false;
    }
    return true;
  }

  Tensor copy_strided(const Tensor& storage, int64_t first, const Shape& shape,
                      const std::vector<int64_t>& strides) {
    const auto size = static_cast<size_t>(size_of(storage.dtype()));
    charge(static_cast<uint64_t>(shape.numel()) * size);
    Tensor result = Tensor::empty(shape, storage.dtype());
    const auto* source = static_cast<const std::byte*>(storage.raw());
    auto* target = static_cast<std::byte*>(result.raw());
    std::array<int64_t, Shape::kMaxDims> index{};
    int64_t at = first;
    for (int64_t i = 0; i < shape.numel(); ++i) {
      std::memcpy(target + static_cast<size_t>(i) * size, source + static_cast<size_t>(at) * size,
                  size);
      for (int d = shape.dims() - 1; d >= 0; --d) {
        const auto k = static_cast<size_t>(d);
        at += strides[k];
        if (++index[k] < shape[d]) break;
        at -= index[k] * strides[k];
        index[k] = 0;
      }
    }
    return result;
  }

  const StorageBytes& bytes_;
  Owner owner_;
  uint64_t copies_left_;
  std::string context_;
  std::map<std::pair<std::string, DType>, Tensor> made_;
};

void make_tensors(Pickle& pickle, const StorageBytes& bytes, const Owner& owner, uint64_t file_size,
                  const std::string& context) {
  TensorMaker maker(bytes, owner, file_size, context);
  for (const PickledTensor& tensor : pickle.tensors) {
    tensor.value->value = maker.make(pickle, tensor);
  }
}

Pickle parse_zip(Bytes bytes, const std::string& context, const Owner& owner) {
  constexpr std::string_view kPickleName = "data.pkl";
  const std::vector<ZipEntry> entries = read_zip_directory(bytes, context);
  const auto pickle_entry = std::ranges::find_if(entries, [&](const ZipEntry& entry) {
    return entry.name == kPickleName || entry.name.ends_with("/" + std::string(kPickleName));
  });
  if (pickle_entry == entries.end()) {
    fail<ModelFileError>(context, ": is a zip archive without data.pkl, not a PyTorch file");
  }
  const std::string folder =
      pickle_entry->name.substr(0, pickle_entry->name.size() - kPickleName.size());
  std::map<std::string, const ZipEntry*, std::less<>> data;
  for (const ZipEntry& entry : entries) {
    if (entry.name == folder + "constants.pkl") {
      fail<ModelFileError>(context,
                           ": is a TorchScript program, not weights; load it with torch.jit.load "
                           "and save its state_dict()");
    }
    if (entry.name == folder + "byteorder" &&
        ByteReader(entry.bytes, context).text(entry.bytes.size()) != "little") {
      fail<ModelFileError>(context, ": was written on a big-endian machine");
    }
    if (entry.name.starts_with(folder + "data/")) {
      data[entry.name.substr(folder.size() + 5)] = &entry;
    }
  }
  check_crc(*pickle_entry, context);
  ByteReader in(pickle_entry->bytes, context);
  Pickle pickle = read_pickle(in);
  StorageBytes storages;
  for (const PickledStorage& storage : pickle.storages) {
    const auto found = data.find(storage.key);
    if (found == data.end() || storages.contains(storage.key) || !storage.unread.empty()) continue;
    check_crc(*found->second, context);
    storages[storage.key] = found->second->bytes;
  }
  make_tensors(pickle, storages, owner, bytes.size(), context);
  return pickle;
}

/// Five pickles (magic number, version, system, what was saved, keys of the storages), then of
/// every storage its number of elements and its bytes.
Pickle parse_legacy(Bytes bytes, const std::string& context, const Owner& owner) {
  ByteReader in(bytes, context);
  const Pickle magic = read_pickle(in);
  if (!magic.root->is(Kind::Bytes) || magic.root->as_text() != kLegacyMagic) {
    fail<ModelFileError>(context, ": is a pickle, but not one that torch.save wrote");
  }
  const Pickle version = read_pickle(in);
  if (version.root->as_int() != kLegacyVersion) {
    fail<ModelFileError>(context, ": is of version ", version.root->as_int(), ", only ",
                         kLegacyVersion, " is known");
  }
  const Pickle system = read_pickle(in);
  if (const auto* little = system.root->find("little_endian"); little && !little->as_bool()) {
    fail<ModelFileError>(context, ": was written on a big-endian machine");
  }
  Pickle pickle = read_pickle(in);
  std::map<std::string, const PickledStorage*> by_key;
  for (const PickledStorage& storage : pickle.storages) by_key[storage.key] = &storage;
  const Pickle keys = read_pickle(in);
  StorageBytes storages;
  for (const PickleValue* key : keys.root->items()) {
    const auto found = by_key.find(key->as_text());
    if (found == by_key.end()) {
      fail<ModelFileError>(context, ": no tensor is in storage '", key->as_text(), "'");
    }
    const PickledStorage& storage = *found->second;
    const auto elements = in.number<uint64_t>();
    const auto size = static_cast<uint64_t>(storage.unread.empty() ? size_of(storage.dtype)
                                                                   : storage.unread_size);
    if (size == 0) {
      fail<ModelFileError>(context, ": holds a ", storage.unread,
                           " of unknown size, and what follows it in this old form of file cannot "
                           "be found; load it with PyTorch and save its state_dict alone");
    }
    if (elements > in.left() / size) {
      fail<ModelFileError>(context, ": storage '", key->as_text(), "' of ", elements,
                           " elements does not fit the file; it is cut short");
    }
    storages[key->as_text()] = in.take(elements * size);
  }
  if (in.left() > 0) {
    fail<ModelFileError>(context, ": ", in.left(), " bytes at its end belong to nothing");
  }
  make_tensors(pickle, storages, owner, bytes.size(), context);
  return pickle;
}

constexpr int kDictDepth = 3;

/// Tensors that are a dict's own values by name; 0 for what is no dict.
size_t count_tensors(const PickleValue& dict) {
  if (!dict.is(Kind::Dict)) return 0;
  return static_cast<size_t>(std::ranges::count_if(dict.entries(), [](const auto& entry) {
    return entry.first->is(Kind::String) && entry.second->is(Kind::Tensor);
  }));
}

/// The value of a key, or of "a.b" that of b in a.
const PickleValue* find_path(const PickleValue& dict, std::string_view key,
                             int depth = kDictDepth) {
  if (const PickleValue* found = dict.find(key)) return found;
  if (depth == 0) return nullptr;
  for (size_t dot = key.find('.'); dot != key.npos; dot = key.find('.', dot + 1)) {
    const PickleValue* outer = dict.find(key.substr(0, dot));
    if (outer == nullptr) continue;
    if (const auto* found = find_path(*outer, key.substr(dot + 1), depth - 1)) return found;
  }
  return nullptr;
}

bool is_zip(Bytes bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "PK\x03\x04", 4) == 0;
}

}  // namespace

bool is_pth(Bytes bytes) {
  // The magic number comes after a few bytes that depend on the pickle's protocol.
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min<size_t>(bytes.size(), 32));
  return is_zip(bytes) || (start.starts_with('\x80') && start.find(kLegacyMagic) != start.npos);
}

PthFile read_pth(const std::filesystem::path& path) {
  const auto file = std::make_shared<const MappedFile>("pth", path);
  return parse_pth(file->bytes(), path.string(), file);
}

PthFile parse_pth(Bytes bytes, const std::string& file, const Owner& owner) {
  const std::string context = "[pth] " + file;
  if (!is_pth(bytes)) {
    fail<ModelFileError>(context, ": is not a file that torch.save wrote");
  }
  PthFile result;
  result.file_ = context;
  try {
    result.pickle_ = std::make_shared<const Pickle>(
        is_zip(bytes) ? parse_zip(bytes, context, owner) : parse_legacy(bytes, context, owner));
  } catch (const PickleKindError& error) {
    fail<ModelFileError>(context, ": the pickle is damaged: ", error.what());
  }
  return result;
}

const PickleValue& PthFile::root() const {
  return *pickle_->root;
}

std::vector<std::pair<std::string, size_t>> PthFile::tensor_dicts() const {
  std::vector<std::pair<std::string, size_t>> found;
  const auto look = [&](const auto& self, const PickleValue& dict, const std::string& path,
                        int depth) -> void {
    if (!dict.is(Kind::Dict)) return;
    if (const size_t count = count_tensors(dict); count > 0 && !path.empty()) {
      found.emplace_back(path, count);
    }
    if (depth == kDictDepth) return;
    for (const auto& [key, value] : dict.entries()) {
      if (!key->is(Kind::String)) continue;
      self(self, *value, path.empty() ? key->as_text() : path + '.' + key->as_text(), depth + 1);
    }
  };
  look(look, root(), "", 0);
  return found;
}

void PthFile::refuse(const std::string& why) const {
  constexpr size_t kMostListed = 12;
  const auto dicts = tensor_dicts();
  std::string text = why;
  for (size_t i = 0; i < dicts.size() && i < kMostListed; ++i) {
    text += (i == 0 ? "; dicts of tensors: '" : ", '") + dicts[i].first + "' (" +
            std::to_string(dicts[i].second) + ")";
  }
  if (!dicts.empty()) fail<ModelFileError>(file_, ": ", text, "; --key chooses one");
  if (root().is(Kind::Dict)) {
    size_t listed = 0;
    for (const auto& [key, value] : root().entries()) {
      if (!key->is(Kind::String) || ++listed > kMostListed) continue;
      text += (listed == 1 ? "; its keys: '" : ", '") + key->as_text().substr(0, 80) + "' (" +
              describe(*value) + ")";
    }
  }
  fail<ModelFileError>(
      file_, ": ", text,
      "; nothing was executed. If you trust the file, load it with PyTorch and save "
      "its state_dict() alone");
}

const PickleValue& PthFile::find_state_dict(std::string_view key) const {
  if (!key.empty()) {
    const PickleValue* dict = find_path(root(), key);
    if (dict == nullptr) refuse("has no key '" + std::string(key) + "'");
    if (count_tensors(*dict) == 0) {
      refuse("'" + std::string(key) + "' is " + describe(*dict) + " without tensors");
    }
    return *dict;
  }
  for (const char* usual : {"state_dict", "model"}) {
    const PickleValue* nested = root().find(usual);
    if (nested && count_tensors(*nested) > 0) return *nested;
  }
  const auto dicts = tensor_dicts();
  // A tensor or two beside dicts of them, such as the state of a generator, are not the weights.
  size_t most = 0;
  for (const auto& [path, count] : dicts) most = std::max(most, count);
  if (const size_t own = count_tensors(root()); own > 0 && own >= most) return root();
  if (dicts.size() == 1) return *find_path(root(), dicts.front().first);
  refuse(dicts.empty() ? "holds " + describe(root()) + " without tensors"
                       : std::string("has several dicts of tensors to choose from"));
}

std::vector<std::pair<std::string, Tensor>> PthFile::state_dict(std::string_view key) const {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::set<std::string> names;
  std::string opaque;
  for (const auto& [name_value, value] : find_state_dict(key).entries()) {
    if (!name_value->is(Kind::String)) continue;
    std::string name = name_value->as_text();
    if (value->is(Kind::Opaque) && opaque.empty()) opaque = name + ", " + describe(*value);
    if (!value->is(Kind::Tensor)) continue;
    if (name.starts_with("module.")) name.erase(0, 7);
    if (!names.insert(name).second) {
      fail<ModelFileError>(file_, ": has two tensors '", name, "'");
    }
    tensors.emplace_back(std::move(name), value->as_tensor());
  }
  if (!opaque.empty()) warn(file_ + ": what is no tensor to Kestrel is left out: " + opaque);
  return tensors;
}

}  // namespace kestrel
