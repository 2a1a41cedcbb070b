#include <algorithm>

#include <kestrel/data/transforms/crop.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

template <class Picture>
void copy_window(const Picture& from, int64_t x, int64_t y, Picture& to) {
  for (int64_t row = 0; row < to.height; ++row) {
    std::copy_n(from.row(y + row) + 3 * x, 3 * to.width, to.row(row));
  }
}

}  // namespace

void crop_sample(Sample& sample, int64_t x, int64_t y, int64_t width, int64_t height) {
  if (sample.padded()) fail<UsageError>("[crop] must come before Pad");
  KESTREL_CHECK(x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= sample.width() &&
                    y + height <= sample.height(),
                "[crop] the window ", width, "x", height, " at (", x, ", ", y,
                ") is not inside the image of ", sample.width(), "x", sample.height());
  if (sample.is_float()) {
    FloatImage out{height, width, std::vector<float>(static_cast<size_t>(height * width * 3))};
    copy_window(sample.floats(), x, y, out);
    sample.set(std::move(out));
  } else {
    Image out(height, width);
    copy_window(sample.bytes(), x, y, out);
    sample.set(std::move(out));
  }
  const auto dx = static_cast<float>(x), dy = static_cast<float>(y);
  for (auto* boxes : {&sample.boxes, &sample.ignored}) {
    for (Box& b : *boxes) b = {b.x1 - dx, b.y1 - dy, b.x2 - dx, b.y2 - dy};
  }
}

void clip_boxes(Sample& sample) {
  const auto w = static_cast<float>(sample.width()), h = static_cast<float>(sample.height());
  for (auto* boxes : {&sample.boxes, &sample.ignored}) {
    for (Box& b : *boxes) {
      b = {std::clamp(b.x1, 0.0F, w), std::clamp(b.y1, 0.0F, h), std::clamp(b.x2, 0.0F, w),
           std::clamp(b.y2, 0.0F, h)};
    }
  }
}

}  // namespace kestrel
