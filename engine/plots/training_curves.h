#pragma once

#include <span>
#include <string>

#include <kestrel/data/image.h>
#include <kestrel/engine/records/training_history.h>

namespace kestrel {

/// Losses, learning rate and metrics over epochs, in six panels (1500 x 880). Losses are shown as
/// they were, faintly, and smoothed. Each panel has what the records have: losses are the values
/// with "loss" in their name, metrics those of the records of mode "val".
Image training_curves(std::span<const HistoryRecord> history, const std::string& title);

/// The mean over `window` neighbours on either side; what is not finite does not count and stays.
std::vector<double> smoothed(std::span<const double> values, int64_t window);

}  // namespace kestrel
