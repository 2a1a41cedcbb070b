#include <kestrel/kernels/scale.h>

#include <kestrel/kernels/common/unary_checks.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>

namespace kestrel::gpu {
namespace {

template <class T, class F, int N>
__global__ void scale_kernel(int64_t n, const T* a, const F* factor, T* out) {
  using A = Accumulate<T>;
  const A by = static_cast<A>(*factor);
  for (const int64_t i : grid_stride(n)) {
    Vector<T, N> values = vectors<N>(a)[i];
    for (int k = 0; k < N; ++k) values[k] = T(static_cast<A>(values[k]) * by);
    vectors<N>(out)[i] = values;
  }
}

}  // namespace

void scale(ConstView a, ConstView factor, View out, Stream stream) {
  check_unary("scale", a, out);
  visit_compute(a.dtype, "scale", [&]<class T>(T) {
    const T* from = a.as<T>();
    T* to = out.as<T>();
    const int64_t n = a.numel();
    const auto by = [&](const auto* value) {
      using F = std::remove_cvref_t<decltype(*value)>;
      visit_pack<T>(is_packed(from, n) && is_packed(to, n),
                    [&]<int N>(std::integral_constant<int, N>) {
                      launch_1d(scale_kernel<T, F, N>, n / N, stream, from, value, to);
                    });
    };
    if (factor.dtype == DType::Float64) {
      by(factor.as<double>());
    } else {
      by(factor.as<float>());
    }
  });
}

}  // namespace kestrel::gpu
