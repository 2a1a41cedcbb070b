#include <algorithm>
#include <cstring>
#include <utility>

#include <hwy/highway.h>

#include <kestrel/data/transforms/sample.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

void mirror_row(const float* from, float* to, int64_t width) {
  const float* source = from + 3 * (width - 1);
  for (int64_t x = 0; x < width; ++x, source -= 3, to += 3) {
    to[0] = source[0];
    to[1] = source[1];
    to[2] = source[2];
  }
}

// Five pixels at a time, mirrored or not, with the channels swapped or not.
void rearrange_row(const uint8_t* from, uint8_t* to, int64_t width, bool mirrored, bool swap) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::FixedTag<uint8_t, 16> bytes;
  alignas(16) uint8_t order[16] = {};
  for (int i = 0; i < 15; ++i) {
    const int pixel = mirrored ? 4 - i / 3 : i / 3, channel = swap ? 2 - i % 3 : i % 3;
    order[i] = static_cast<uint8_t>(3 * pixel + channel + mirrored);
  }
  const auto places = hn::Load(bytes, order);
  int64_t x = 0;
  for (; x + 6 <= width; x += 5) {
    // 16 bytes of which 15 are used; mirrored, the first is not, as the row may end after the last.
    const uint8_t* source = mirrored ? from + 3 * (width - 5 - x) - 1 : from + 3 * x;
    hn::StoreU(hn::TableLookupBytes(hn::LoadU(bytes, source), places), bytes, to + 3 * x);
  }
  for (; x < width; ++x) {
    const uint8_t* source = from + 3 * (mirrored ? width - 1 - x : x);
    for (int c = 0; c < 3; ++c) to[3 * x + c] = source[swap ? 2 - c : c];
  }
}

// to[i] = (from[i] - mean[i]) * scale[i].
void normalize_row(const uint8_t* from, const float* mean, const float* scale, float* to,
                   int64_t count) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> floats;
  const hn::Rebind<int32_t, decltype(floats)> ints;
  const hn::Rebind<uint8_t, decltype(floats)> bytes;
  const auto lanes = static_cast<int64_t>(hn::Lanes(floats));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::ConvertTo(floats, hn::PromoteTo(ints, hn::LoadU(bytes, from + i)));
    const auto centred = hn::Sub(value, hn::LoadU(floats, mean + i));
    hn::StoreU(hn::Mul(centred, hn::LoadU(floats, scale + i)), floats, to + i);
  }
  for (; i < count; ++i) to[i] = (static_cast<float>(from[i]) - mean[i]) * scale[i];
}

// 1 / std in double, then float32, as mmcv has it.
float inverse(float std) {
  return static_cast<float>(1.0 / static_cast<double>(std));
}

}  // namespace

Sample::Sample(Image image) : image_(std::move(image)) {
  meta.ori_height = image_.height;
  meta.ori_width = image_.width;
  set_sizes();
}

void Sample::set_sizes() {
  meta.img_height = meta.pad_height = height();
  meta.img_width = meta.pad_width = width();
}

void Sample::set(Image image) {
  KESTREL_CHECK(!is_float(), "[data] 8-bit pixels cannot replace float ones");
  image_ = std::move(image);
  set_sizes();
}

void Sample::set(FloatImage image) {
  floats_ = std::move(image);
  image_ = {};
  normalization_.reset();
  is_float_ = true;
  set_sizes();
}

void Sample::normalize(const Normalization& normalization) {
  if (!is_float()) {
    normalization_ = normalization;
    return;
  }
  FloatImage& image = floats();
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    float* p = image.pixels.data() + i;
    if (normalization.swap) std::swap(p[0], p[2]);
    for (size_t c = 0; c < 3; ++c) {
      p[c] = (p[c] - normalization.mean[c]) * inverse(normalization.std[c]);
    }
  }
}

void Sample::pad_to(int64_t pad_height, int64_t pad_width) {
  padded_ = true;
  meta.pad_height = std::max(pad_height, meta.img_height);
  meta.pad_width = std::max(pad_width, meta.img_width);
  instances.pad(meta.pad_height, meta.pad_width);
}

Image& Sample::bytes() {
  KESTREL_CHECK(!is_float(), "[data] a transform of 8-bit pixels comes after Normalize");
  if (std::exchange(turned_over_, false)) {
    for (int64_t y = 0; y < image_.height / 2; ++y) {
      std::swap_ranges(image_.row(y), image_.row(y) + 3 * image_.width,
                       image_.row(image_.height - 1 - y));
    }
  }
  if (std::exchange(mirrored_, false)) {
    std::vector<uint8_t> row(static_cast<size_t>(3 * image_.width));
    for (int64_t y = 0; y < image_.height; ++y) {
      rearrange_row(image_.row(y), row.data(), image_.width, true, false);
      std::copy(row.begin(), row.end(), image_.row(y));
    }
  }
  return image_;
}

FloatImage& Sample::floats() {
  if (is_float_ && !mirrored_ && !turned_over_) return floats_;
  FloatImage out{height(), width(),
                 std::vector<float>(static_cast<size_t>(height() * width() * 3))};
  write(out.pixels.data(), out.height, out.width);
  floats_ = std::move(out);
  image_ = {};
  is_float_ = true;
  mirrored_ = false;
  turned_over_ = false;
  normalization_.reset();
  return floats_;
}

void Sample::write(float* out, int64_t out_height, int64_t out_width) const {
  const int64_t h = height(), w = width();
  KESTREL_CHECK(h <= out_height && w <= out_width, "[data] an image of ", w, "x", h,
                " does not fit into ", out_width, "x", out_height);
  const int64_t stride = 3 * out_width;
  if (is_float_) {
    for (int64_t y = 0; y < h; ++y) {
      if (mirrored_) {
        mirror_row(floats_.row(source_row(y)), out + y * stride, w);
      } else {
        std::copy_n(floats_.row(source_row(y)), 3 * w, out + y * stride);
      }
    }
  } else {
    write_bytes(out, stride);
  }
  const auto tail = static_cast<size_t>(stride - 3 * w) * sizeof(float);
  for (int64_t y = 0; y < h && tail > 0; ++y) std::memset(out + y * stride + 3 * w, 0, tail);
  std::memset(out + h * stride, 0, static_cast<size_t>((out_height - h) * stride) * sizeof(float));
}

void Sample::write_bytes(float* out, int64_t stride) const {
  const Normalization n = normalization_.value_or(Normalization{});
  const int64_t w = width(), count = 3 * w;
  // The coefficients written out per value, so that the loop over a row has no channels.
  std::vector<float> mean(static_cast<size_t>(count)), scale(mean.size());
  for (size_t i = 0; i < mean.size(); ++i) {
    mean[i] = n.mean[i % 3];
    scale[i] = inverse(n.std[i % 3]);
  }
  std::vector<uint8_t> changed(mean.size());
  for (int64_t y = 0; y < height(); ++y, out += stride) {
    const uint8_t* row = image_.row(source_row(y));
    if (mirrored_ || n.swap) {
      rearrange_row(row, changed.data(), w, mirrored_, n.swap);
      row = changed.data();
    }
    normalize_row(row, mean.data(), scale.data(), out, count);
  }
}

}  // namespace kestrel
