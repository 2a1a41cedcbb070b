#include <kestrel/tensor/safetensors_checksums.h>

#include <array>
#include <cstdio>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace kestrel::safetensors {
namespace {

const std::string kTensorKey = "kestrel.tensor_xxh3";
const std::string kHeaderKey = "kestrel.header_xxh3";
constexpr size_t kDigits = 16;

std::string hex(XXH64_hash_t value) {
  std::array<char, kDigits + 1> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(value));
  return {text.data(), kDigits};
}

/// Where the header's checksum stands in its text; npos where it does not.
size_t header_checksum_place(std::string_view header) {
  const std::string before = '"' + kHeaderKey + "\":\"";
  const size_t found = header.find(before);
  if (found == std::string_view::npos) return found;
  const size_t place = found + before.size();
  return place + kDigits <= header.size() ? place : std::string_view::npos;
}

/// Of the header with zeros at `place`.
std::string header_checksum(std::string_view header, size_t place) {
  static const std::string kZeros(kDigits, '0');
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, header.data(), place);
  XXH3_64bits_update(&state, kZeros.data(), kZeros.size());
  const std::string_view rest = header.substr(place + kDigits);
  XXH3_64bits_update(&state, rest.data(), rest.size());
  return hex(XXH3_64bits_digest(&state));
}

}  // namespace

std::string checksum(std::span<const std::byte> bytes) {
  return hex(XXH3_64bits(bytes.data(), bytes.size()));
}

void add_checksums(std::map<std::string, std::string>& metadata, std::span<const Tensor> tensors) {
  std::string all;
  for (const Tensor& tensor : tensors) {
    if (!all.empty()) all += ' ';
    all += checksum({static_cast<const std::byte*>(tensor.raw()), tensor.bytes()});
  }
  metadata[kTensorKey] = all;
  metadata[kHeaderKey] = std::string(kDigits, '0');
}

void seal_header(std::string& header) {
  const size_t place = header_checksum_place(header);
  header.replace(place, kDigits, header_checksum(header, place));
}

std::vector<std::string> take_checksums(std::map<std::string, std::string>& metadata,
                                        std::string_view header, size_t tensors,
                                        const std::string& file) {
  const auto of_tensors = metadata.extract(kTensorKey);
  const auto of_header = metadata.extract(kHeaderKey);
  if (!of_tensors && !of_header) return {};
  const size_t place = header_checksum_place(header);
  if (!of_tensors || !of_header || place == std::string_view::npos ||
      of_header.mapped() != header_checksum(header, place)) {
    fail<ModelFileError>("[safetensors] ", file,
                         ": the header does not match its checksum: it is damaged (or another "
                         "program rewrote the file; then the metadata ",
                         kHeaderKey, " and ", kTensorKey, " must be left out)");
  }
  std::vector<std::string> result;
  const std::string& all = of_tensors.mapped();
  for (size_t at = 0; at < all.size(); at += kDigits + 1) result.push_back(all.substr(at, kDigits));
  if (result.size() != tensors) {
    fail<ModelFileError>("[safetensors] ", file, ": has ", result.size(), " checksums for ",
                         tensors, " tensors");
  }
  return result;
}

}  // namespace kestrel::safetensors
