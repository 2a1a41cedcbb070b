#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kestrel {

/// One image's Pascal VOC annotation as it stands.
struct VocFile {
  struct Object {
    std::string name;
    /// xmin, ymin, xmax, ymax as written, fractions cut off.
    std::array<double, 4> corners{};
    bool difficult = false;
    std::string problem;  ///< Why there is no box; empty where there is one.
  };
  std::string filename;
  int64_t width = 0, height = 0;  ///< 0 where the file does not say.
  std::vector<Object> objects;
  std::string problem;  ///< Why the file cannot be used; empty where it can.
};

VocFile parse_voc_file(std::span<const std::byte> xml);

}  // namespace kestrel
