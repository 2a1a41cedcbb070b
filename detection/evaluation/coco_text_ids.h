#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kestrel {

/// Ids that are text, numbered in the order of their first appearance.
class CocoTextIds {
 public:
  int64_t number(std::string_view text);
  size_t size() const { return texts_.size(); }
  /// The number of a text that is there.
  std::optional<int64_t> find(const std::string& text) const;
  static bool is_text(int64_t id) { return id < kFirst + kMost; }
  static int64_t at(size_t place) { return kFirst + static_cast<int64_t>(place); }
  static size_t place(int64_t id) { return static_cast<size_t>(id - kFirst); }
  const std::string& text(int64_t id) const { return texts_[place(id)]; }
  /// The ids in the order of their texts: the place of each number.
  std::vector<size_t> ranks() const;
  /// For messages: 'text' or the number.
  std::string describe(int64_t id) const;

 private:
  // Numbers that no id of an annotation file has.
  static constexpr int64_t kFirst = std::numeric_limits<int64_t>::min(), kMost = int64_t{1} << 40;
  std::unordered_map<std::string, int64_t> numbers_;
  std::vector<std::string> texts_;
};

}  // namespace kestrel
