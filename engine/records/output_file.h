#pragma once

#include <filesystem>
#include <span>

#include <kestrel/data/image.h>

namespace kestrel {

/// What a command writes, and what it may therefore write over.
enum class OutputKind : uint8_t {
  Picture,  ///< One that write_result_picture wrote.
  Results,  ///< COCO's results: a JSON list.
  Weights,  ///< safetensors or a PyTorch file.
};

/// Throws UsageError where writing to `out` would change a file that is not of its kind, or one of
/// those that are read, under whatever path. `who` is the command.
void check_output(const char* who, const std::filesystem::path& out, OutputKind kind,
                  std::span<const std::filesystem::path> sources = {});

/// Writes a .jpg or .png with a comment in it that says who made it.
void write_result_picture(const std::filesystem::path& path, const Image& image);

}  // namespace kestrel
