#include <kestrel/kernels/image_normalize.h>

#include <algorithm>

#include <kestrel/kernels/common/image_normalize.h>
#include <kestrel/kernels/cuda/launch.h>

namespace kestrel::gpu {
namespace {

/// Rows of y along the grid's y, their values along its x: neighbouring threads have neighbouring
/// values.
template <class T>
__global__ void image_normalize_kernel(ImageSizes s, PixelNormalizer normalizer, float pad_value,
                                       const uint8_t* x, T* y) {
  const int64_t rows = s.images * s.out_height, values = 3 * s.out_width;
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    const int64_t iy = row % s.out_height;
    const int64_t inside = iy < s.height ? 3 * s.width : 0;
    const int64_t from = (row / s.out_height * s.height + iy) * s.width * 3;
    for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < values;
         i += int64_t{gridDim.x} * blockDim.x) {
      const int channel = static_cast<int>(i % 3);
      y[row * values + i] =
          T(i < inside ? normalizer(x + (from + i - channel), channel) : pad_value);
    }
  }
}

}  // namespace

void image_normalize(ConstView x, View y, const ImageNormalizeParams& params, Stream stream) {
  constexpr int64_t kMaxBlocks = 65535;
  const ImageSizes s = check_image_normalize(x, y);
  const PixelNormalizer normalizer(params);
  visit_compute(y.dtype, "image_normalize", [&]<class T>(T) {
    if (y.numel() == 0) return;
    const int64_t threads = block_size();
    const int64_t across = std::min((3 * s.out_width + threads - 1) / threads, kMaxBlocks);
    const int64_t down = std::min(s.images * s.out_height, kMaxBlocks);
    launch(image_normalize_kernel<T>,
           {dim3(static_cast<unsigned>(across), static_cast<unsigned>(down)),
            dim3(static_cast<unsigned>(threads)), 0, stream},
           s, normalizer, params.pad_value, x.as<uint8_t>(), y.as<T>());
  });
}

}  // namespace kestrel::gpu
