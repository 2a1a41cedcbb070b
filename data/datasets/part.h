#pragma once

#include <string>
#include <string_view>

namespace kestrel {

/// Which pictures of a set that has no lists are trained on, and which are for validation.
struct PartOptions {
  std::string part{};
  double val_share = 0.2;

  template <class V>
  void visit(V& v) {
    v("part", part,
      "of a set without lists: train, or val, by a hash of the file's name; empty: all");
    v("val_share", val_share, "the share of val");
  }
};

/// A number from [0, 1) that hashes the last part of a path, without its extension: the same on
/// every machine, whatever else the set holds. FNV-1a with 64 bits, and the mixer of MurmurHash3.
double name_share(std::string_view path);

/// Throws UsageError for another part, or a share that is not in (0, 1).
void check_part(const PartOptions& options);

}  // namespace kestrel
