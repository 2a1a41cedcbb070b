#include <kestrel/kernels/copy.h>

#include <algorithm>
#include <cstring>

#include <kestrel/kernels/common/convert_value.h>
#include <kestrel/kernels/common/copy_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 1 << 16;

}  // namespace

void convert(ConstView from, View to) {
  check_convert(from, to);
  visit_any(from.dtype, [&]<class From>(From) {
    visit_any(to.dtype, [&]<class To>(To) {
      const From* source = from.as<From>();
      To* target = to.as<To>();
      parallel_for(from.numel(), kGrain, [=](int64_t begin, int64_t end) {
        if constexpr (std::is_same_v<From, To>) {
          std::memcpy(target + begin, source + begin,
                      static_cast<size_t>(end - begin) * sizeof(To));
        } else {
          for (int64_t i = begin; i < end; ++i) target[i] = convert_value<To>(source[i]);
        }
      });
    });
  });
}

void fill(View out, double value) {
  visit_any(out.dtype, [&]<class T>(T) {
    T* target = out.as<T>();
    const T filler = convert_value<T>(value);
    parallel_for(out.numel(), kGrain, [=](int64_t begin, int64_t end) {
      std::fill(target + begin, target + end, filler);
    });
  });
}

}  // namespace kestrel::cpu
