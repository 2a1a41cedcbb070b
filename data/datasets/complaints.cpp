#include <vector>

#include <kestrel/data/datasets/complaints.h>

namespace kestrel {

std::string quoted_list(const std::vector<std::string>& names) {
  constexpr size_t kMost = 100;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMost; ++i) {
    text += (i ? ", '" : "'") + names[i] + "'";
  }
  if (names.size() > kMost) text += ", ... (" + std::to_string(names.size()) + " in all)";
  return names.empty() ? "none" : text;
}

}  // namespace kestrel
