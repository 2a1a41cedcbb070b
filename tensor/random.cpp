#include <kestrel/tensor/random.h>

#include <numeric>
#include <utility>

#include <kestrel/kernels/common/philox.h>
#include <kestrel/kernels/common/random_numbers.h>

namespace kestrel {

Philox::Philox(uint64_t seed, uint64_t epoch, uint64_t sample)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{0, static_cast<uint32_t>(epoch), static_cast<uint32_t>(sample),
               static_cast<uint32_t>(sample >> 32)} {}

uint32_t Philox::next() {
  if (left_ == 0) {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    left_ = 4;
  }
  return block_[static_cast<size_t>(4 - left_--)];
}

double Philox::uniform() {
  const uint32_t high = next();
  return unit_uniform(high, next());
}

int64_t Philox::integer(int64_t low, int64_t high) {
  KESTREL_CHECK(low < high, "[random] no integer in [", low, ", ", high, ")");
  const auto range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  const uint64_t limit = UINT64_MAX - UINT64_MAX % range;
  uint64_t word = 0;
  do {
    word = (uint64_t{next()} << 32) | next();
  } while (word >= limit);
  return static_cast<int64_t>(static_cast<uint64_t>(low) + word % range);
}

double Philox::uniform(double low, double high) {
  const uint32_t word = next();
  return UniformNumbers{low, high}({word, next()});
}

double Philox::normal() {
  std::array<uint32_t, kWordsOfNormal> words{};
  for (uint32_t& word : words) word = next();
  return NormalNumbers{0, 1}(words);
}

std::vector<int64_t> Philox::permutation(int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = n - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(integer(0, i + 1))]);
  }
  return order;
}

PhiloxPlace Philox::place() const {
  if (left_ == 0) return {.key = key_, .counter = counter_, .used = 0};
  std::array<uint32_t, 4> counter = counter_;
  --counter[0];
  return {.key = key_, .counter = counter, .used = 4 - left_};
}

void Philox::skip(int64_t words) {
  const PhiloxPlace from = place();
  const int64_t used = from.used + words;
  counter_ = from.counter;
  counter_[0] += static_cast<uint32_t>(used / 4);
  left_ = 0;
  for (int64_t i = 0; i < used % 4; ++i) next();
}

void fill_uniform(Tensor& tensor, double low, double high, Philox& random) {
  run(tensor.device(), cpu::fill_uniform, gpu::fill_uniform, tensor.view(), low, high,
      random.place());
  random.skip(tensor.numel() * kWordsOfUniform);
}

void fill_normal(Tensor& tensor, double mean, double std, Philox& random) {
  run(tensor.device(), cpu::fill_normal, gpu::fill_normal, tensor.view(), mean, std,
      random.place());
  random.skip(tensor.numel() * kWordsOfNormal);
}

}  // namespace kestrel
