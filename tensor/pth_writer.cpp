// torch.save's zip form, with a pickle of no more than what tensors and class names need.
#include <limits>

#include <kestrel/tensor/atomic_file.h>
#include <kestrel/tensor/pickle.h>
#include <kestrel/tensor/pth.h>
#include <kestrel/tensor/zip_archive.h>

namespace kestrel {
namespace {

/// Appends opcodes of pickle protocol 2.
class PickleWriter {
 public:
  PickleWriter() { text_ = "\x80\x02"; }

  PickleWriter& op(char opcode) {
    text_ += opcode;
    return *this;
  }
  PickleWriter& global(std::string_view module, std::string_view name) {
    text_ += 'c';
    text_ += module;
    text_ += '\n';
    text_ += name;
    text_ += '\n';
    return *this;
  }
  PickleWriter& string(std::string_view value) {
    op('X').number(static_cast<uint32_t>(value.size()));
    text_ += value;
    return *this;
  }
  PickleWriter& integer(int64_t value) {
    if (value >= 0 && value <= std::numeric_limits<int32_t>::max()) {
      return op('J').number(static_cast<int32_t>(value));
    }
    text_ += "\x8a\x08";
    return number(value);
  }
  PickleWriter& empty_ordered_dict() {
    return global("collections", "OrderedDict").op(')').op('R');
  }

  const std::string& finish() { return op('.').text_; }

 private:
  template <class T>
  PickleWriter& number(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }

  std::string text_;
};

void write_tensor(PickleWriter& out, const Tensor& tensor, const std::string& key) {
  constexpr char kFalse = '\x89';
  const Shape& shape = tensor.shape();
  out.global("torch._utils", "_rebuild_tensor_v2").op('(');
  out.op('(').string("storage").global("torch", pickle_globals::storage_name(tensor.dtype()));
  out.string(key).string("cpu").integer(tensor.numel()).op('t').op('Q');
  out.integer(0).op('(');
  for (const int64_t size : shape) out.integer(size);
  out.op('t').op('(');
  for (int i = 0; i < shape.dims(); ++i) out.integer(shape.stride(i));
  out.op('t').op(kFalse).empty_ordered_dict().op('t').op('R');
}

void write_state_dict(PickleWriter& out,
                      const std::vector<std::pair<std::string, Tensor>>& tensors) {
  out.empty_ordered_dict().op('(');
  for (size_t i = 0; i < tensors.size(); ++i) {
    write_tensor(out.string(tensors[i].first), tensors[i].second, std::to_string(i));
  }
  out.op('u');
}

std::string make_pickle(const std::vector<std::pair<std::string, Tensor>>& tensors,
                        const PthMeta* meta) {
  PickleWriter out;
  if (meta == nullptr) {
    write_state_dict(out, tensors);
    return out.finish();
  }
  out.op('}').op('(').string("meta").op('}');
  if (!meta->classes.empty()) {
    out.string("CLASSES").op('(');
    for (const std::string& name : meta->classes) out.string(name);
    out.op('t').op('s');
  }
  write_state_dict(out.string("state_dict"), tensors);
  out.op('u');
  return out.finish();
}

}  // namespace

void write_pth(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, Tensor>>& tensors, const PthMeta* meta) {
  AtomicFile file("pth", path);
  ZipWriter zip(file);
  zip.add("archive/data.pkl", make_pickle(tensors, meta));
  zip.add("archive/byteorder", "little");
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor host = tensors[i].second.to(Device::cpu());
    zip.add("archive/data/" + std::to_string(i),
            {static_cast<const std::byte*>(host.raw()), host.bytes()});
  }
  zip.add("archive/version", "3\n");
  zip.finish();
  file.commit();
}

}  // namespace kestrel
