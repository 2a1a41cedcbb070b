#include <algorithm>

#include <kestrel/data/transforms/cut_out.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Transform, CutOut, CutOutOptions> kCutOut{"CutOut", "covers parts of the image"};

}  // namespace

CutOut::CutOut(CutOutOptions options) : options_(std::move(options)) {
  const auto& n = options_.n_holes;
  if (n.empty() || n.size() > 2 || n.front() < 0 || n.back() < n.front()) {
    fail<UsageError>("[cut_out] n_holes must be a number, or the least and the most of them");
  }
  if (options_.cutout_shape.empty() == options_.cutout_ratio.empty()) {
    fail<UsageError>("[cut_out] needs either cutout_shape or cutout_ratio");
  }
  for (const double value : options_.fill_in) {
    if (!(value >= 0 && value <= 255)) {
      fail<UsageError>("[cut_out] fill_in must be 0..255, got ", value);
    }
  }
}

std::vector<CutOut::Hole> CutOut::draw(int64_t height, int64_t width, Philox& random) const {
  const int64_t count = random.integer(options_.n_holes.front(), options_.n_holes.back() + 1);
  const bool shares = options_.cutout_shape.empty();
  const auto kinds = std::ssize(options_.cutout_shape) + std::ssize(options_.cutout_ratio);
  std::vector<Hole> holes;
  for (int64_t i = 0; i < count; ++i) {
    Hole hole{.x = random.integer(0, width), .y = random.integer(0, height)};
    const auto kind = static_cast<size_t>(random.integer(0, kinds));
    if (shares) {
      const auto [w, h] = options_.cutout_ratio[kind];
      hole.width = static_cast<int64_t>(w * static_cast<double>(width));
      hole.height = static_cast<int64_t>(h * static_cast<double>(height));
    } else {
      hole.width = options_.cutout_shape[kind][0];
      hole.height = options_.cutout_shape[kind][1];
    }
    holes.push_back(hole);
  }
  return holes;
}

void CutOut::change(Sample& sample, const std::vector<Hole>& holes) const {
  Image& image = sample.bytes();
  for (const Hole& hole : holes) {
    for (int64_t y = hole.y; y < std::min(hole.y + hole.height, image.height); ++y) {
      for (int64_t x = hole.x; x < std::min(hole.x + hole.width, image.width); ++x) {
        for (size_t c = 0; c < 3; ++c) {
          image.row(y)[3 * x + static_cast<int64_t>(c)] = static_cast<uint8_t>(options_.fill_in[c]);
        }
      }
    }
  }
}

bool CutOut::apply(Sample& sample, Philox& random) const {
  if (sample.padded()) fail<UsageError>("[cut_out] must come before Pad");
  change(sample, draw(sample.height(), sample.width(), random));
  return true;
}

}  // namespace kestrel
