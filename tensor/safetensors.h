#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/tensor/tensor.h>

namespace kestrel {

/// The contents of a safetensors file.
struct Safetensors {
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< In file order.
  std::map<std::string, std::string> metadata;          ///< Without the checksums.

  /// The tensor of that name; throws ModelFileError where there is none.
  const Tensor& at(const std::string& name) const;
};

/// Reads a file; its tensors are views of the mapped file and must not be written to. Every rule of
/// the format is checked (header length and form, duplicate names, offsets without overlap or hole,
/// sizes that fit shape and dtype), and the checksums of files that have them: ModelFileError names
/// the file and what is wrong.
Safetensors read_safetensors(const std::filesystem::path& path);

/// The same from memory that `owner` keeps alive; `file` stands for it in messages. Without an
/// owner the bytes have to outlive the tensors.
Safetensors parse_safetensors(std::span<const std::byte> bytes, const std::string& file,
                              const std::shared_ptr<const void>& owner = nullptr);

/// Writes a file atomically (AtomicFile), with XXH3 checksums of the header and of every tensor in
/// its metadata. Throws ModelFileError.
void write_safetensors(const std::filesystem::path& path, const Safetensors& contents);

}  // namespace kestrel
