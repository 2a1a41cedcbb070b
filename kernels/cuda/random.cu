#include <kestrel/kernels/random.h>

#include <kestrel/kernels/common/random_numbers.h>
#include <kestrel/kernels/cuda/launch.h>

namespace kestrel::gpu {
namespace {

template <class T, class Numbers>
__global__ void fill_random_kernel(int64_t n, Numbers numbers, PhiloxPlace place, T* out) {
  for (const int64_t i : GridStride(n)) {
    const uint64_t first = static_cast<uint64_t>(i) * Numbers::kWords;
    out[i] = T(static_cast<Accumulate<T>>(numbers(words_at<Numbers::kWords>(place, first))));
  }
}

template <class Numbers>
void fill(const char* op, View out, const Numbers& numbers, const PhiloxPlace& place,
          Stream stream) {
  visit_compute(out.dtype, op, [&]<class T>(T) {
    launch_1d(fill_random_kernel<T, Numbers>, out.numel(), stream, numbers, place, out.as<T>());
  });
}

}  // namespace

void fill_uniform(View out, double low, double high, const PhiloxPlace& place, Stream stream) {
  fill("fill_uniform", out, UniformNumbers{low, high}, place, stream);
}

void fill_normal(View out, double mean, double std, const PhiloxPlace& place, Stream stream) {
  fill("fill_normal", out, NormalNumbers{mean, std}, place, stream);
}

}  // namespace kestrel::gpu
