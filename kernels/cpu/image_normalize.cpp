#include <kestrel/kernels/image_normalize.h>

#include <algorithm>

#include <kestrel/kernels/common/image_normalize.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {

void image_normalize(ConstView x, View y, const ImageNormalizeParams& params) {
  const ImageSizes s = check_image_normalize(x, y);
  const PixelNormalizer normalizer(params);
  const int64_t values = 3 * s.out_width;
  const auto* pixels = x.as<uint8_t>();
  visit_compute(y.dtype, "image_normalize", [&]<class T>(T) {
    T* result = y.as<T>();
    parallel_for(s.images * s.out_height,
                 std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, values)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t row = begin; row < end; ++row) {
                     const int64_t iy = row % s.out_height;
                     const int64_t width = iy < s.height ? s.width : 0;
                     int64_t from = (row / s.out_height * s.height + iy) * s.width * 3;
                     T* to = result + row * values;
                     for (int64_t ix = 0; ix < width; ++ix, from += 3, to += 3) {
                       for (int c = 0; c < 3; ++c) to[c] = T(normalizer(pixels + from, c));
                     }
                     std::fill_n(to, 3 * (s.out_width - width), T(params.pad_value));
                   }
                 });
  });
}

}  // namespace kestrel::cpu
