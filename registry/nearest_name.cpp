#include <kestrel/registry/nearest_name.h>

#include <algorithm>
#include <vector>

namespace kestrel {
namespace {

constexpr size_t kLongestName = 100;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Twice the Damerau-Levenshtein distance (optimal string alignment); a change of case costs 1.
int edit_cost(std::string_view a, std::string_view b) {
  std::vector<int> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = static_cast<int>(2 * j);
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(2 * i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const char x = a[i - 1], y = b[j - 1];
      const int replace = x == y ? 0 : lower(x) == lower(y) ? 1 : 2;
      row[j] = std::min({above[j] + 2, row[j - 1] + 2, above[j - 1] + replace});
      if (i > 1 && j > 1 && x == b[j - 2] && a[i - 2] == y) {
        row[j] = std::min(row[j], before[j - 2] + 2);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view name,
                                        std::span<const std::string> candidates) {
  if (name.size() > kLongestName) return std::nullopt;
  std::optional<std::string> best;
  int best_cost = static_cast<int>(2 * std::max<size_t>(1, std::min<size_t>(4, name.size() / 3)));
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestName) continue;
    const int cost = edit_cost(name, candidate);
    if (cost < best_cost || (cost == best_cost && !best)) {
      best = candidate;
      best_cost = cost;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, std::span<const std::string> candidates) {
  const auto nearest = nearest_name(name, candidates);
  return nearest ? "; did you mean '" + *nearest + "'?" : std::string();
}

std::vector<std::string> nearest_first(std::string_view name,
                                       std::span<const std::string> candidates) {
  std::vector<std::pair<int, std::string>> ranked;
  for (const std::string& candidate : candidates) {
    const std::string_view beginning = std::string_view(candidate).substr(0, kLongestName);
    ranked.emplace_back(edit_cost(name.substr(0, kLongestName), beginning), candidate);
  }
  std::ranges::stable_sort(ranked, {}, [](const auto& item) { return item.first; });
  std::vector<std::string> names;
  for (auto& item : ranked) names.push_back(std::move(item.second));
  return names;
}

}  // namespace kestrel
