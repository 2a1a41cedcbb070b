#include <algorithm>

#include <kestrel/data/transforms/pad.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, Pad, PadOptions> kPad{"Pad", "adds pixels at the right and bottom"};

}  // namespace

Pad::Pad(PadOptions options) : options_(options) {
  const int ways =
      options_.size.has_value() + options_.size_divisor.has_value() + options_.pad_to_square;
  if (ways != 1) {
    fail<UsageError>("[pad] needs one of size, size_divisor and pad_to_square, got ", ways);
  }
  if (options_.size_divisor && *options_.size_divisor < 1) {
    fail<UsageError>("[pad] size_divisor must be at least 1, got ", *options_.size_divisor);
  }
  if (options_.pad_val != 0) {
    fail<UsageError>("[pad] pad_val must be 0, got ", options_.pad_val);
  }
}

bool Pad::apply(Sample& sample, Philox&) const {
  int64_t height = sample.height(), width = sample.width();
  if (options_.size) {
    const auto [h, w] = *options_.size;
    if (h < height || w < width) {
      fail<UsageError>("[pad] size (", h, ", ", w, ") is smaller than the image's (", height, ", ",
                       width, "): ", sample.meta.file);
    }
    height = h;
    width = w;
  } else if (options_.size_divisor) {
    const int64_t d = *options_.size_divisor;
    height = (height + d - 1) / d * d;
    width = (width + d - 1) / d * d;
  } else {
    height = width = std::max(height, width);
  }
  sample.pad_to(height, width);
  return true;
}

}  // namespace kestrel
