#include <kestrel/kernels/random.h>

#include <kestrel/kernels/common/random_numbers.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

template <class Numbers>
void fill(const char* op, View out, const Numbers& numbers, const PhiloxPlace& place) {
  visit_compute(out.dtype, op, [&]<class T>(T) {
    T* values = out.as<T>();
    parallel_for(out.numel(), 4096, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const uint64_t first = static_cast<uint64_t>(i) * Numbers::kWords;
        values[i] = T(static_cast<Accumulate<T>>(numbers(words_at<Numbers::kWords>(place, first))));
      }
    });
  });
}

}  // namespace

void fill_uniform(View out, double low, double high, const PhiloxPlace& place) {
  fill("fill_uniform", out, UniformNumbers{low, high}, place);
}

void fill_normal(View out, double mean, double std, const PhiloxPlace& place) {
  fill("fill_normal", out, NormalNumbers{mean, std}, place);
}

}  // namespace kestrel::cpu
