#include <vector>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/registry/nearest_name.h>
#include <kestrel/tensor/text.h>

namespace kestrel {

void Complaints::tell(std::string text) {
  text = escape_not_utf8(text);  // logs keep it, as JSON too
  warn(escape_not_utf8(where_) + ": " + text);
  shown_.push_back(std::move(text));
}

void Complaints::repeat(std::span<const std::string> shown, int64_t count, int64_t dropped) {
  for (const std::string& text : shown) tell(text);
  count_ += count;
  dropped_ += dropped;
}

std::string Complaints::subject(const std::string& file) const {
  return where_.ends_with(file) ? "" : file.substr(file.find_last_of('/') + 1) + ": ";
}

void Complaints::finish() const {
  if (count_ > kShown) {
    warn(where_ + ": and " + std::to_string(count_ - kShown) + " more of such problems");
  }
}

std::string quoted_list(const std::vector<std::string>& names) {
  constexpr size_t kMost = 100;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMost; ++i) {
    text += (i ? ", '" : "'") + names[i] + "'";
  }
  if (names.size() > kMost) text += ", ... (" + std::to_string(names.size()) + " in all)";
  return names.empty() ? "none" : text;
}

std::string no_such_class(const std::string& name, const std::vector<std::string>& there_are) {
  return "no class '" + name + "'; there are " + quoted_list(nearest_first(name, there_are));
}

}  // namespace kestrel
