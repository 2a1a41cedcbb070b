#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kestrel {

/// The candidate that a person who typed `name` probably meant: the one with the fewest insertions,
/// deletions, replacements and swaps of neighbours (case counts half), if those are few enough.
std::optional<std::string> nearest_name(std::string_view name,
                                        std::span<const std::string> candidates);

/// "; did you mean 'x'?", or nothing if no candidate is near.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

/// The candidates, those that look most like `name` first; otherwise as they come.
std::vector<std::string> nearest_first(std::string_view name,
                                       std::span<const std::string> candidates);

}  // namespace kestrel
