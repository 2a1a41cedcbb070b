#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/tensor/tensor.h>

namespace kestrel {

/// The contents of a safetensors file.
struct Safetensors {
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< In file order.
  std::map<std::string, std::string> metadata;

  /// The tensor of that name; throws ModelFileError where there is none.
  const Tensor& at(const std::string& name) const;
};

/// Reads a file; its tensors are views of the mapped file and must not be written to. Every rule of
/// the format is checked (header length and form, duplicate names, offsets without overlap or hole,
/// sizes that fit shape and dtype): ModelFileError names the file and what is wrong.
Safetensors read_safetensors(const std::filesystem::path& path);

/// Writes a file atomically: to a temporary file beside it, synced, then renamed. An existing file
/// stays until the new one is complete. Throws ModelFileError.
void write_safetensors(const std::filesystem::path& path, const Safetensors& contents);

}  // namespace kestrel
