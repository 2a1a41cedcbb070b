#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <kestrel/tensor/tensor.h>

/// XXH3 (64 bits, 16 hexadecimal digits) in the metadata of safetensors files, where other readers
/// pass over them:
///   kestrel.tensor_xxh3   of every tensor's bytes, in file order, with a blank between
///   kestrel.header_xxh3   of the header, padding included, with zeros in the place of this value
namespace kestrel::safetensors {

/// Adds the tensors' checksums and zeros for the header's.
void add_checksums(std::map<std::string, std::string>& metadata, std::span<const Tensor> tensors);

/// Puts the checksum of the complete header into its place.
void seal_header(std::string& header);

/// Removes the checksums from the metadata of a file and returns those of `tensors` tensors, or
/// nothing for a file that has none. Throws ModelFileError where the header does not match, or
/// where something is missing.
std::vector<std::string> take_checksums(std::map<std::string, std::string>& metadata,
                                        std::string_view header, size_t tensors,
                                        const std::string& file);

std::string checksum(std::span<const std::byte> bytes);

}  // namespace kestrel::safetensors
