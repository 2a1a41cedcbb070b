#include <kestrel/kernels/random.h>

#include <algorithm>

#include <kestrel/kernels/common/random_numbers.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int kBlocks = 128;

/// The words of kBlocks counters, from the place's and `first` on. The compiler makes a vector of
/// counters.
void make_blocks(const PhiloxPlace& place, uint64_t first, uint32_t* words) {
  for (int i = 0; i < kBlocks; ++i) {
    std::array<uint32_t, 4> counter = place.counter;
    counter[0] += static_cast<uint32_t>(first) + static_cast<uint32_t>(i);
    const std::array<uint32_t, 4> block = philox4x32(counter, place.key);
    for (int k = 0; k < 4; ++k) words[4 * i + k] = block[static_cast<size_t>(k)];
  }
}

template <class Numbers>
void fill(const char* op, View out, const Numbers& numbers, const PhiloxPlace& place) {
  // Numbers whose words make_blocks() has at a time, wherever in a block they begin.
  constexpr int64_t kNumbers = 4 * (kBlocks - 1) / Numbers::kWords;
  visit_compute(out.dtype, op, [&]<class T>(T) {
    T* values = out.as<T>();
    parallel_for(out.numel(), 4096, [=](int64_t begin, int64_t end) {
      uint32_t words[4 * kBlocks];
      for (int64_t i = begin; i < end; i += kNumbers) {
        const uint64_t first =
            static_cast<uint64_t>(i) * Numbers::kWords + static_cast<uint64_t>(place.used);
        make_blocks(place, first / 4, words);
        const uint32_t* at = words + first % 4;
        for (int64_t j = i; j < std::min(end, i + kNumbers); ++j, at += Numbers::kWords) {
          std::array<uint32_t, Numbers::kWords> own;
          std::copy_n(at, Numbers::kWords, own.begin());
          values[j] = T(static_cast<Accumulate<T>>(numbers(own)));
        }
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
