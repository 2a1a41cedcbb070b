#include <kestrel/kernels/copy.h>

#include <algorithm>

#include <kestrel/kernels/common/convert_value.h>
#include <kestrel/kernels/common/copy_checks.h>
#include <kestrel/kernels/cuda/fill.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/device.h>

namespace kestrel::gpu {
namespace {

template <class To, class From, int size>
__global__ void convert_kernel(int64_t n, const Vector<From, size>* from, Vector<To, size>* to) {
  for (const int64_t i : grid_stride(n)) {
    const Vector<From, size> source = from[i];
    Vector<To, size> target;
    for (int k = 0; k < size; ++k) target[k] = convert_value<To>(source[k]);
    to[i] = target;
  }
}

template <class To, class From>
void convert_values(const From* from, To* to, int64_t n, Stream stream) {
  constexpr int kSize = std::min(Pack<From>::kSize, Pack<To>::kSize);
  if (is_vector<kSize>(from, n) && is_vector<kSize>(to, n)) {
    launch_1d(convert_kernel<To, From, kSize>, n / kSize, stream, vectors<kSize>(from),
              vectors<kSize>(to));
  } else {
    launch_1d(convert_kernel<To, From, 1>, n, stream, vectors<1>(from), vectors<1>(to));
  }
}

}  // namespace

void convert(ConstView from, View to, Stream stream) {
  check_convert(from, to);
  const int64_t n = from.numel();
  if (n == 0) return;
  if (from.dtype == to.dtype) {
    copy_on_device(to.data, from.data, static_cast<size_t>(n * size_of(to.dtype)), stream);
    return;
  }
  visit_any(from.dtype, [&]<class From>(From) {
    visit_any(to.dtype, [&]<class To>(To) {
      if constexpr (!std::is_same_v<From, To>) {
        convert_values(from.as<From>(), to.as<To>(), n, stream);
      }
    });
  });
}

void fill(View out, double value, Stream stream) {
  visit_any(out.dtype, [&]<class T>(T) {
    T* to = out.as<T>();
    const int64_t n = out.numel();
    const T filler = convert_value<T>(value);
    if (is_packed(to, n)) {
      Pack<T> pack;
      for (T& v : pack.v) v = filler;
      fill(vectors<Pack<T>::kSize>(to), n / Pack<T>::kSize, pack, stream);
    } else {
      fill(to, n, filler, stream);
    }
  });
}

}  // namespace kestrel::gpu
