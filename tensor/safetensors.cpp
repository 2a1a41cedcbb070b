#include <kestrel/tensor/safetensors.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>
#include <string_view>

#include <nlohmann/json.hpp>

#include <kestrel/tensor/atomic_file.h>
#include <kestrel/tensor/file_tensor.h>
#include <kestrel/tensor/mapped_file.h>
#include <kestrel/tensor/safetensors_checksums.h>
#include <kestrel/tensor/utf8.h>

namespace kestrel {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr int kMaxHeaderDepth = 3;  // an object of objects of lists
constexpr int64_t kMaxElements = int64_t{1} << 56;

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

/// What the JSON reader says, without the megabytes that it may quote.
std::string reason(const nlohmann::json::exception& error) {
  return std::string(error.what()).substr(0, 200);
}

/// Parses the header; a name that comes twice is an error, which plain parsing would let pass.
nlohmann::json parse_header(std::string_view text, const std::string& file) {
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> open_objects;
  const auto check = [&](int depth, Event event, nlohmann::json& value) {
    if ((event == Event::object_start || event == Event::array_start) && depth >= kMaxHeaderDepth) {
      fail<ModelFileError>("[safetensors] ", file, ": the header is nested too deeply");
    }
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key && !open_objects.back().insert(value.get<std::string>()).second) {
      fail<ModelFileError>("[safetensors] ", file, ": the header has '", value.get<std::string>(),
                           "' twice");
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text, check);
  } catch (const nlohmann::json::exception& error) {
    fail<ModelFileError>("[safetensors] ", file, ": the header is not JSON: ", reason(error));
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
    int64_t elements = 1;  // as if empty dimensions had one
    for (const int64_t size : sizes) {
      if (size < 0 || __builtin_mul_overflow(elements, std::max<int64_t>(size, 1), &elements) ||
          elements > kMaxElements) {
        refuse("has an impossible shape, ", entry.shape);
      }
    }
    const auto bytes = static_cast<uint64_t>(entry.shape.numel() * size_of(entry.dtype));
    if (bytes != entry.end - entry.begin) {
      refuse("has ", entry.end - entry.begin, " bytes for ", dtype, " of shape ", entry.shape);
    }
  } catch (const nlohmann::json::exception& error) {
    refuse("is malformed: ", reason(error));
  }
  return entry;
}

/// The metadata; an object of strings.
std::map<std::string, std::string> parse_metadata(const nlohmann::json& value,
                                                  const std::string& file) {
  std::map<std::string, std::string> metadata;
  if (!value.is_object()) fail<ModelFileError>("[safetensors] ", file, ": metadata is no object");
  for (const auto& [key, item] : value.items()) {
    if (!item.is_string()) {
      fail<ModelFileError>("[safetensors] ", file, ": metadata '", key, "' is not a string");
    }
    metadata[key] = item.get<std::string>();
  }
  return metadata;
}

std::string make_header(const Safetensors& contents, std::span<const Tensor> tensors) {
  const auto check_text = [](const char* what, const std::string& name, const std::string& text) {
    if (find_invalid_utf8(text) == text.npos) return;
    fail<ModelFileError>("[safetensors] ", what, " '", name,
                         "' to write has bytes that are not UTF-8, which the format cannot hold");
  };
  for (const auto& [key, value] : contents.metadata) {
    check_text("the name of metadata", key, key);
    check_text("metadata", key, value);
  }
  for (const auto& [name, tensor] : contents.tensors) check_text("the tensor", name, name);
  nlohmann::ordered_json header;
  std::map<std::string, std::string> metadata = contents.metadata;
  safetensors::add_checksums(metadata, tensors);
  header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : contents.tensors) {
    const uint64_t end = offset + tensor.bytes();
    if (header.contains(name)) {
      fail<ModelFileError>("[safetensors] there are two tensors '", name, "' to write");
    }
    header[name] = {{"dtype", format_name(tensor.dtype())},
                    {"shape", std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  safetensors::seal_header(text);
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
  const auto file = std::make_shared<const MappedFile>("safetensors", path);
  return parse_safetensors(file->bytes(), path.string(), file);
}

Safetensors parse_safetensors(std::span<const std::byte> bytes, const std::string& file,
                              const std::shared_ptr<const void>& owner) {
  uint64_t length = 0;
  if (bytes.size() < sizeof(length)) {
    fail<ModelFileError>("[safetensors] ", file, ": ", bytes.size(),
                         " bytes are too few for a safetensors file");
  }
  std::memcpy(&length, bytes.data(), sizeof(length));
  bytes = bytes.subspan(sizeof(length));
  if (length > kMaxHeader || length > bytes.size()) {
    fail<ModelFileError>("[safetensors] ", file, ": a header of ", length,
                         " bytes does not fit a file of ", bytes.size() + sizeof(length),
                         "; it is damaged or not a safetensors file");
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), length);
  bytes = bytes.subspan(length);
  if (!text.starts_with('{')) {
    fail<ModelFileError>("[safetensors] ", file, ": the header does not start with '{'");
  }
  const nlohmann::json header = parse_header(text, file);

  Safetensors contents;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      contents.metadata = parse_metadata(value, file);
    } else {
      entries.push_back(parse_entry(name, value, file));
    }
  }
  const auto checksums = safetensors::take_checksums(contents.metadata, text, entries.size(), file);
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  uint64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != expected || entry.end > bytes.size()) {
      fail<ModelFileError>("[safetensors] ", file, ": tensor '", entry.name, "' lies at [",
                           entry.begin, ", ", entry.end, "), expected it to start at ", expected,
                           " and end by ", bytes.size());
    }
    expected = entry.end;
    const auto data = bytes.subspan(entry.begin, entry.end - entry.begin);
    if (!checksums.empty() && checksums[contents.tensors.size()] != safetensors::checksum(data)) {
      fail<ModelFileError>("[safetensors] ", file, ": tensor '", entry.name,
                           "' does not match its checksum: the file is damaged; use another copy");
    }
    contents.tensors.emplace_back(
        entry.name, tensor_of_file(data, entry.shape, entry.dtype, owner,
                                   "[safetensors] " + file + ": tensor '" + entry.name + "'"));
  }
  if (expected != bytes.size()) {
    fail<ModelFileError>("[safetensors] ", file, ": ", bytes.size() - expected,
                         " bytes at its end belong to no tensor");
  }
  return contents;
}

void write_safetensors(const std::filesystem::path& path, const Safetensors& contents) {
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : contents.tensors) tensors.push_back(tensor.to(Device::cpu()));
  const std::string header = make_header(contents, tensors);
  const uint64_t length = header.size();
  AtomicFile file("safetensors", path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const Tensor& tensor : tensors) {
    file.write({static_cast<const std::byte*>(tensor.raw()), tensor.bytes()});
  }
  file.commit();
}

}  // namespace kestrel
