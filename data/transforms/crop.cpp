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
  sample.instances.place(-x, -y, height, width);
}

}  // namespace kestrel
