#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <kestrel/data/image.h>
#include <kestrel/kernels/common/box.h>

namespace kestrel {

/// A box to draw, with its caption.
struct DrawnBox {
  Box box;
  int64_t label = 0;    ///< Chooses the colour.
  std::string caption;  ///< At the box; empty: none.
  bool dashed = false;
};

/// A copy of the picture with boxes and captions, the first on top: give the best score first. A
/// caption gives way to those before it. Line width and text follow the picture's size.
Image draw_boxes(const Image& image, std::span<const DrawnBox> boxes);

/// Pictures side by side in rows of `columns`, each scaled to fit a cell, on a dark ground, with a
/// title above each where `titles` is not empty.
Image contact_sheet(std::span<const Image> pictures, std::span<const std::string> titles,
                    int64_t columns, int64_t cell_width, int64_t cell_height);

}  // namespace kestrel
