#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>

namespace kestrel {

/// Tells of what is wrong in a data set: a warning for each of the first items and a count of the
/// rest at the end; with `strict`, the first one is a DataError.
class Complaints {
 public:
  Complaints(std::string where, bool strict) : where_(std::move(where)), strict_(strict) {}

  /// "<where>: <parts>; dropped".
  template <class... Parts>
  void dropped(const Parts&... parts) {
    if (strict_) fail<DataError>(where_, ": ", parts...);
    note(parts..., "; dropped");
  }
  /// "<where>: <parts>", for what is kept.
  template <class... Parts>
  void note(const Parts&... parts) {
    if (++count_ > kShown) return;
    std::ostringstream text;
    text << where_ << ": ";
    (text << ... << parts);
    warn(text.str());
  }
  /// Says how many were not shown.
  void finish() const {
    if (count_ > kShown) {
      warn(where_ + ": and " + std::to_string(count_ - kShown) + " more of such problems");
    }
  }

 private:
  static constexpr int64_t kShown = 100;
  std::string where_;
  bool strict_ = false;
  int64_t count_ = 0;
};

/// "'a', 'b', 'c'", cut after a few dozen.
std::string quoted_list(const std::vector<std::string>& names);

}  // namespace kestrel
