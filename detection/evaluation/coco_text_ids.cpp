#include <kestrel/detection/evaluation/coco_text_ids.h>

#include <algorithm>
#include <numeric>

namespace kestrel {

int64_t CocoTextIds::number(std::string_view text) {
  const auto [entry, is_new] =
      numbers_.emplace(std::string(text), kFirst + static_cast<int64_t>(texts_.size()));
  if (is_new) texts_.emplace_back(text);
  return entry->second;
}

std::optional<int64_t> CocoTextIds::find(const std::string& text) const {
  const auto entry = numbers_.find(text);
  return entry == numbers_.end() ? std::nullopt : std::optional(entry->second);
}

std::string CocoTextIds::describe(int64_t id) const {
  return is_text(id) ? "'" + text(id).substr(0, 100) + "'" : std::to_string(id);
}

std::vector<size_t> CocoTextIds::ranks() const {
  std::vector<size_t> order(texts_.size()), ranks(texts_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) -> const std::string& { return texts_[i]; });
  for (size_t rank = 0; rank < order.size(); ++rank) ranks[order[rank]] = rank;
  return ranks;
}

}  // namespace kestrel
