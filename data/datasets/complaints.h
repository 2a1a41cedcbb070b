#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>

namespace kestrel {

/// Tells of what is wrong in a data set: a warning for each of the first items and a count of the
/// rest at the end; with `strict`, the first one that is dropped is a DataError.
class Complaints {
 public:
  Complaints(std::string where, bool strict) : where_(std::move(where)), strict_(strict) {}

  /// "<where>: <parts>; dropped".
  template <class... Parts>
  void dropped(const Parts&... parts) {
    if (strict_) fail<DataError>(where_, ": ", parts...);
    ++dropped_;
    note(parts..., "; dropped");
  }
  /// "<where>: <parts>", for what is kept.
  template <class... Parts>
  void note(const Parts&... parts) {
    if (++count_ > kShown) return;
    std::ostringstream text;
    (text << ... << parts);
    tell(text.str());
  }
  /// Tells again what an earlier reading of the same file told: its shown() and its counts.
  void repeat(std::span<const std::string> shown, int64_t count, int64_t dropped);
  /// Says how many were not shown.
  void finish() const;

  /// What a note about this file begins with: nothing where <where> ends with it, else its name.
  std::string subject(const std::string& file) const;

  bool strict() const { return strict_; }
  int64_t count() const { return count_; }
  int64_t num_dropped() const { return dropped_; }
  /// What was told, without "<where>: ".
  const std::vector<std::string>& shown() const { return shown_; }

 private:
  void tell(std::string text);

  static constexpr int64_t kShown = 100;
  std::string where_;
  bool strict_ = false;
  int64_t count_ = 0, dropped_ = 0;
  std::vector<std::string> shown_;
};

/// "'a', 'b', 'c'", cut after a hundred.
std::string quoted_list(const std::vector<std::string>& names);

/// "no class 'x'; there are 'a', 'b'", what looks most like x first.
std::string no_such_class(const std::string& name, const std::vector<std::string>& there_are);

}  // namespace kestrel
