#include <kestrel/engine/run_folder.h>

namespace kestrel {

std::filesystem::path next_run_folder(const std::string& name) {
  for (int64_t i = 1;; ++i) {
    std::filesystem::path folder = std::filesystem::path("runs") / (name + std::to_string(i));
    if (!std::filesystem::exists(folder)) return folder;
  }
}

}  // namespace kestrel
