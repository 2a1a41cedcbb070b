// COCO's masks: compressed text, run lengths and polygons. The first bytes are the kind and the
// size of the picture; the rest is the mask.
#include <cstring>
#include <string_view>
#include <vector>

#include <kestrel/detection/masks/rle_mask.h>
#include <kestrel/kernels/error.h>

using namespace kestrel;

namespace {

RleMask read(int kind, int64_t height, int64_t width, const uint8_t* data, size_t size) {
  if (kind == 0) {
    return mask_from_string({reinterpret_cast<const char*>(data), size}, height, width);
  }
  if (kind == 1) {
    std::vector<int64_t> counts(size / 4);
    for (size_t i = 0; i < counts.size(); ++i) {
      int32_t count = 0;
      std::memcpy(&count, data + 4 * i, 4);
      counts[i] = count;
    }
    return mask_from_counts(counts, height, width);
  }
  // Whole numbers and fractions, or any bits at all.
  std::vector<double> points(kind == 2 ? size / 2 : size / 8);
  for (size_t i = 0; i < points.size(); ++i) {
    if (kind == 2) {
      int16_t value = 0;
      std::memcpy(&value, data + 2 * i, 2);
      points[i] = value / 16.0;
    } else {
      std::memcpy(&points[i], data + 8 * i, 8);
    }
  }
  return mask_from_polygon(points, height, width);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 5) return 0;
  const int kind = data[0] % 4;
  const int64_t height = data[1] + data[2] % 4 * 256, width = data[3] + data[4] % 4 * 256;
  try {
    const RleMask mask = read(kind, height, width, data + 5, size - 5);
    check_mask(mask);
    if (mask_area(mask) > height * width) __builtin_trap();
    mask_box(mask);
    if (!(mask_from_string(mask_to_string(mask), height, width) == mask)) __builtin_trap();
    // Pixels are as many as the picture's, whatever the input: the larger pictures go without.
    if (height * width <= 255 * 255 &&
        mask_from_pixels(mask_to_pixels(mask), height, width).counts.size() >
            mask.counts.size() + 1) {
      __builtin_trap();
    }
  } catch (const DataError&) {
  }
  return 0;
}
