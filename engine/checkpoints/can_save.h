#pragma once

#include <cstdint>
#include <filesystem>

namespace kestrel {

/// Sizes of the files that a run saves.
struct SaveBytes {
  int64_t weights = 0;  ///< last.safetensors, best.safetensors.
  int64_t resume = 0;   ///< resume.safetensors.
};

/// Tries in a run's folder what its saves will do: making, filling and renaming files of those
/// sizes. Throws ModelFileError with the reason, the sizes and what to do, where one cannot
/// succeed.
void check_can_save(const std::filesystem::path& folder, const SaveBytes& bytes);

}  // namespace kestrel
