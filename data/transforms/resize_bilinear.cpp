#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <algorithm>
#include <cmath>
#include <utility>

#include <kestrel/data/transforms/resize_bilinear.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

constexpr int kOne = 1 << 11;  // of the fixed-point coefficients

struct Tap {
  int64_t low = 0, high = 0;  // the two source positions
  int16_t weight_low = 0, weight_high = 0;
};

int16_t fixed(float weight) {
  return static_cast<int16_t>(std::lrint(weight * kOne));
}

// Where the pixels of one axis come from. OpenCV moves what lies outside to the border along x
// (`clamp_weights`), but along y only repeats the border row.
std::vector<Tap> fixed_taps(int64_t in, int64_t out, bool clamp_weights) {
  std::vector<Tap> taps(static_cast<size_t>(out));
  const double scale = 1.0 / (static_cast<double>(out) / static_cast<double>(in));
  for (int64_t i = 0; i < out; ++i) {
    auto position = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    auto low = static_cast<int64_t>(std::floor(position));
    position -= static_cast<float>(low);
    if (clamp_weights && (low < 0 || low >= in - 1)) position = 0;
    if (clamp_weights) low = std::clamp<int64_t>(low, 0, in - 1);
    taps[static_cast<size_t>(i)] = {std::clamp<int64_t>(low, 0, in - 1),
                                    std::clamp<int64_t>(low + 1, 0, in - 1), fixed(1 - position),
                                    fixed(position)};
  }
  return taps;
}

// What resize_row may read and write beyond its rows.
constexpr size_t kSlack = 8;

// One source row at the new width, each value cut to 15 bits.
void resize_row(const uint8_t* from, const std::vector<Tap>& taps, int16_t* to) {
  const auto count = static_cast<int64_t>(taps.size());
  int64_t x = 0;
#ifdef __AVX2__
  // Both source pixels lie side by side (at the border the second has no weight): 8 bytes hold
  // them, and one multiply-add makes the three channels.
  const __m128i pairs = _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  const __m128i close_up = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1);
  const auto pixel = [&](const Tap& tap) {
    const auto* source = reinterpret_cast<const __m128i*>(from + 3 * tap.low);
    const __m128i values = _mm_shuffle_epi8(_mm_loadl_epi64(source), pairs);
    const int weights = tap.weight_low | tap.weight_high << 16;
    return _mm_srai_epi32(_mm_madd_epi16(values, _mm_set1_epi32(weights)), 4);
  };
  for (; x + 2 <= count; x += 2) {
    const Tap* tap = taps.data() + x;
    const __m128i both = _mm_packs_epi32(pixel(tap[0]), pixel(tap[1]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 3 * x), _mm_shuffle_epi8(both, close_up));
  }
#endif
  for (; x < count; ++x) {
    const Tap& tap = taps[static_cast<size_t>(x)];
    for (int64_t c = 0; c < 3; ++c) {
      const int sum =
          from[3 * tap.low + c] * tap.weight_low + from[3 * tap.high + c] * tap.weight_high;
      to[3 * x + c] = static_cast<int16_t>(sum >> 4);
    }
  }
}

void blend_rows(const int16_t* low, const int16_t* high, int16_t weight_low, int16_t weight_high,
                uint8_t* to, int64_t count) {
  int64_t i = 0;
#ifdef __AVX2__
  const __m256i weights_low = _mm256_set1_epi16(weight_low);
  const __m256i weights_high = _mm256_set1_epi16(weight_high);
  const auto blend = [&](int64_t at) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low + at));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high + at));
    const __m256i sum =
        _mm256_add_epi16(_mm256_mulhi_epi16(a, weights_low), _mm256_mulhi_epi16(b, weights_high));
    return _mm256_srai_epi16(_mm256_add_epi16(sum, _mm256_set1_epi16(2)), 2);
  };
  for (; i + 32 <= count; i += 32) {
    const __m256i bytes = _mm256_packus_epi16(blend(i), blend(i + 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_permute4x64_epi64(bytes, 0b11011000));
  }
#endif
  for (; i < count; ++i) {
    const auto a = static_cast<int16_t>((low[i] * weight_low) >> 16);
    const auto b = static_cast<int16_t>((high[i] * weight_high) >> 16);
    const auto sum = static_cast<int16_t>((a + b + 2) >> 2);
    to[i] = static_cast<uint8_t>(std::clamp<int16_t>(sum, 0, 255));
  }
}

void check_resize(int64_t in_height, int64_t in_width, int64_t height, int64_t width) {
  KESTREL_CHECK(
      in_height > 0 && in_width > 0 && height > 0 && width > 0 && height <= kMaxImagePixels / width,
      "[resize] cannot resize ", in_width, "x", in_height, " to ", width, "x", height);
}

struct FloatTap {
  int64_t low = 0, high = 0;
  float weight = 0;  // of high
};

std::vector<FloatTap> float_taps(int64_t in, int64_t out) {
  std::vector<FloatTap> taps(static_cast<size_t>(out));
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (int64_t i = 0; i < out; ++i) {
    const float position = std::max(0.0F, (static_cast<float>(i) + 0.5F) * scale - 0.5F);
    const int64_t low = std::min(static_cast<int64_t>(position), in - 1);
    taps[static_cast<size_t>(i)] = {low, std::min(low + 1, in - 1),
                                    position - static_cast<float>(low)};
  }
  return taps;
}

}  // namespace

Image resize_bilinear(const Image& image, int64_t height, int64_t width) {
  check_resize(image.height, image.width, height, width);
  if (image.height == height && image.width == width) return image;
  Image out(height, width);
  const std::vector<Tap> columns = fixed_taps(image.width, width, true);
  const std::vector<Tap> rows = fixed_taps(image.height, height, false);
  // The two source rows last used, at the new width.
  std::vector<int16_t> buffers[2];
  int64_t held[2] = {-1, -1};
  for (auto& buffer : buffers) buffer.resize(static_cast<size_t>(3 * width) + kSlack);
  // The last row has nothing after it to read.
  std::vector<uint8_t> last(image.row(image.height - 1),
                            image.row(image.height - 1) + 3 * image.width);
  last.resize(last.size() + kSlack);
  const auto source_row = [&](int64_t y, int64_t keep) -> int {
    for (int i = 0; i < 2; ++i) {
      if (held[i] == y) return i;
    }
    const int slot = held[0] == keep ? 1 : 0;
    const uint8_t* row = y == image.height - 1 ? last.data() : image.row(y);
    resize_row(row, columns, buffers[slot].data());
    held[slot] = y;
    return slot;
  };
  for (int64_t y = 0; y < height; ++y) {
    const Tap& tap = rows[static_cast<size_t>(y)];
    const int low = source_row(tap.low, tap.high);
    const int high = source_row(tap.high, tap.low);
    blend_rows(buffers[low].data(), buffers[high].data(), tap.weight_low, tap.weight_high,
               out.row(y), 3 * width);
  }
  return out;
}

FloatImage resize_bilinear(const FloatImage& image, int64_t height, int64_t width) {
  check_resize(image.height, image.width, height, width);
  const auto columns = float_taps(image.width, width);
  const auto rows = float_taps(image.height, height);
  FloatImage out{height, width, std::vector<float>(static_cast<size_t>(height * width * 3))};
  for (int64_t y = 0; y < height; ++y) {
    const FloatTap& ty = rows[static_cast<size_t>(y)];
    const float* a = image.row(ty.low);
    const float* b = image.row(ty.high);
    float* to = out.row(y);
    for (const FloatTap& tx : columns) {
      for (int64_t c = 0; c < 3; ++c) {
        const int64_t l = 3 * tx.low + c, h = 3 * tx.high + c;
        const float top = (1 - tx.weight) * a[l] + tx.weight * a[h];
        const float bottom = (1 - tx.weight) * b[l] + tx.weight * b[h];
        *to++ = (1 - ty.weight) * top + ty.weight * bottom;
      }
    }
  }
  return out;
}

}  // namespace kestrel
