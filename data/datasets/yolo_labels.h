#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kestrel {

/// A box of a YOLO label file, as a share of the image's width and height.
struct YoloLabel {
  int64_t label = 0;
  std::array<double, 4> corners{};  ///< x1, y1, x2, y2, each 0..1, x1 < x2, y1 < y2.
  std::vector<double> polygon{};    ///< x0, y0, x1, y1, ..., each 0..1; empty for a box.
};

struct YoloLabels {
  std::vector<YoloLabel> boxes;
  std::vector<std::string> problems;  ///< "line 3: ..." for each line that is left out.
  int64_t cut = 0;                    ///< Boxes that reach past the image by more than 1 % of it.
};

struct YoloLabelFormat {
  int64_t num_classes = 0;
  int64_t pose_values = 0;  ///< Numbers of the key points behind each box; 0: there are none.
};

/// Reads the lines of a label file: "class cx cy w h", or "class x1 y1 x2 y2 x3 y3 ..." of a
/// polygon with three points or more, with the box around it; where there are key
/// points, "class cx cy w h" and these, which are passed over. Values are 0..1; up to 1.01 is
/// rounding and is cut. A line that is none of this, or repeats another, is a problem.
YoloLabels parse_yolo_labels(std::string_view text, const YoloLabelFormat& format);

}  // namespace kestrel
