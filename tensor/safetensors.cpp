#include <kestrel/tensor/safetensors.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <string_view>

#include <nlohmann/json.hpp>

namespace kestrel {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr uint64_t kMaxHeader = 100'000'000;

constexpr std::array<std::pair<std::string_view, DType>, 8> kNames = {{{"F32", DType::Float32},
                                                                       {"F64", DType::Float64},
                                                                       {"BF16", DType::BFloat16},
                                                                       {"F16", DType::Float16},
                                                                       {"I64", DType::Int64},
                                                                       {"I32", DType::Int32},
                                                                       {"U8", DType::UInt8},
                                                                       {"BOOL", DType::Bool}}};

std::string_view format_name(DType dtype) {
  return std::ranges::find(kNames, dtype, [](const auto& entry) { return entry.second; })->first;
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// A whole file, mapped for reading.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path) {
    const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) {
      fail<ModelFileError>("[safetensors] ", path.string(), ": ", std::strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
      fail<ModelFileError>("[safetensors] ", path.string(), ": is not a file");
    }
    size_ = static_cast<size_t>(info.st_size);
    if (size_ == 0) return;
    void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (memory == MAP_FAILED) {
      fail<ModelFileError>("[safetensors] ", path.string(), ": ", std::strerror(errno));
    }
    data_ = static_cast<const std::byte*>(memory);
  }
  ~MappedFile() {
    if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Parses the header; a name that comes twice is an error, which plain parsing would let pass.
nlohmann::json parse_header(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> open_objects;
  const auto refuse_duplicates = [&](int /*depth*/, nlohmann::json::parse_event_t event,
                                     nlohmann::json& value) {
    if (event == nlohmann::json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == nlohmann::json::parse_event_t::object_end) open_objects.pop_back();
    if (event == nlohmann::json::parse_event_t::key &&
        !open_objects.back().insert(value.get<std::string>()).second) {
      fail<ModelFileError>("[safetensors] ", file, ": the header has '", value.get<std::string>(),
                           "' twice");
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text, refuse_duplicates);
  } catch (const nlohmann::json::exception& error) {
    fail<ModelFileError>("[safetensors] ", file, ": the header is not JSON: ", error.what());
  }
}

struct Entry {
  std::string name;
  DType dtype = DType::Float32;
  Shape shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

Entry parse_entry(const std::string& name, const nlohmann::json& value, const std::string& file) {
  const auto refuse = [&](const auto&... why) {
    fail<ModelFileError>("[safetensors] ", file, ": tensor '", name, "' ", why...);
  };
  Entry entry{.name = name};
  try {
    const auto dtype = value.at("dtype").get<std::string>();
    const auto known = std::ranges::find(kNames, dtype, [](const auto& e) { return e.first; });
    if (known == kNames.end()) refuse("has dtype ", dtype, ", which Kestrel does not read");
    entry.dtype = known->second;
    for (const nlohmann::json* numbers : {&value.at("shape"), &value.at("data_offsets")}) {
      for (const auto& number : *numbers) {
        if (!number.is_number_unsigned()) refuse("has ", number.dump(), " where a size belongs");
      }
    }
    const auto sizes = value.at("shape").get<std::vector<int64_t>>();
    if (sizes.size() > static_cast<size_t>(Shape::kMaxDims)) {
      refuse("has ", sizes.size(), " dimensions; Kestrel reads up to ", Shape::kMaxDims);
    }
    entry.shape = Shape(std::span<const int64_t>(sizes));
    const auto offsets = value.at("data_offsets").get<std::vector<uint64_t>>();
    if (offsets.size() != 2 || offsets[0] > offsets[1]) refuse("has bad data_offsets");
    entry.begin = offsets[0];
    entry.end = offsets[1];
    int64_t bytes = size_of(entry.dtype);
    for (const int64_t size : sizes) {
      if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes))
        refuse("has an impossible shape");
    }
    if (static_cast<uint64_t>(bytes) != entry.end - entry.begin) {
      refuse("has ", entry.end - entry.begin, " bytes for ", dtype, " of shape ", entry.shape);
    }
  } catch (const nlohmann::json::exception& error) {
    refuse("is malformed: ", error.what());
  }
  return entry;
}

/// Writes all bytes or throws.
void write_all(int fd, const void* data, size_t size, const std::string& file) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(fd, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      fail<ModelFileError>("[safetensors] writing ", file, ": ", std::strerror(errno));
    }
    at += written;
    size -= static_cast<size_t>(written);
  }
}

std::string make_header(const Safetensors& contents) {
  nlohmann::ordered_json header;
  if (!contents.metadata.empty()) header["__metadata__"] = contents.metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : contents.tensors) {
    const uint64_t end = offset + tensor.bytes();
    header[name] = {{"dtype", format_name(tensor.dtype())},
                    {"shape", std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.is_null() ? "{}" : header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

const Tensor& Safetensors::at(const std::string& name) const {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return tensor;
  }
  fail<ModelFileError>("[safetensors] there is no tensor '", name, "'");
}

Safetensors read_safetensors(const std::filesystem::path& path) {
  const std::string file = path.string();
  const auto mapped = std::make_shared<const MappedFile>(path);
  uint64_t length = 0;
  if (mapped->size() < sizeof(length)) {
    fail<ModelFileError>("[safetensors] ", file, ": ", mapped->size(),
                         " bytes are too few for a safetensors file");
  }
  std::memcpy(&length, mapped->data(), sizeof(length));
  if (length > kMaxHeader || length > mapped->size() - sizeof(length)) {
    fail<ModelFileError>("[safetensors] ", file, ": a header of ", length,
                         " bytes does not fit a file of ", mapped->size(),
                         "; it is damaged or not a safetensors file");
  }
  const std::string_view text(reinterpret_cast<const char*>(mapped->data()) + sizeof(length),
                              length);
  if (!text.starts_with('{')) {
    fail<ModelFileError>("[safetensors] ", file, ": the header does not start with '{'");
  }
  const nlohmann::json header = parse_header(text, file);

  Safetensors contents;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      entries.push_back(parse_entry(name, value, file));
      continue;
    }
    for (const auto& [key, item] : value.items()) {
      if (!item.is_string()) {
        fail<ModelFileError>("[safetensors] ", file, ": metadata '", key, "' is not a string");
      }
      contents.metadata[key] = item.get<std::string>();
    }
  }
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  const uint64_t payload = mapped->size() - sizeof(length) - length;
  uint64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != expected || entry.end > payload) {
      fail<ModelFileError>("[safetensors] ", file, ": tensor '", entry.name, "' lies at [",
                           entry.begin, ", ", entry.end, "), expected it to start at ", expected,
                           " and end by ", payload);
    }
    expected = entry.end;
    const std::byte* data = mapped->data() + sizeof(length) + length + entry.begin;
    Tensor tensor = Tensor::wrap(data, entry.shape, entry.dtype, mapped);
    const auto alignment = static_cast<uintptr_t>(size_of(entry.dtype));
    if (reinterpret_cast<uintptr_t>(data) % alignment != 0) {
      Tensor aligned = Tensor::empty(entry.shape, entry.dtype);
      std::memcpy(aligned.raw(), data, aligned.bytes());
      tensor = aligned;
    }
    contents.tensors.emplace_back(entry.name, std::move(tensor));
  }
  if (expected != payload) {
    fail<ModelFileError>("[safetensors] ", file, ": ", payload - expected,
                         " bytes at its end belong to no tensor");
  }
  return contents;
}

void write_safetensors(const std::filesystem::path& path, const Safetensors& contents) {
  const std::string temporary = path.string() + ".part";
  FileDescriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) {
    fail<ModelFileError>("[safetensors] writing ", temporary, ": ", std::strerror(errno));
  }
  try {
    const std::string header = make_header(contents);
    const uint64_t length = header.size();
    write_all(fd.get(), &length, sizeof(length), temporary);
    write_all(fd.get(), header.data(), header.size(), temporary);
    for (const auto& [name, tensor] : contents.tensors) {
      const Tensor host = tensor.to(Device::cpu());
      write_all(fd.get(), host.raw(), host.bytes(), temporary);
    }
    if (::fsync(fd.get()) != 0 || ::close(fd.release()) != 0 ||
        ::rename(temporary.c_str(), path.c_str()) != 0) {
      fail<ModelFileError>("[safetensors] writing ", path.string(), ": ", std::strerror(errno));
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  const FileDescriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

}  // namespace kestrel
