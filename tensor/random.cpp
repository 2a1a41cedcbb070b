#include <kestrel/tensor/random.h>

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include <kestrel/kernels/common/philox.h>

namespace kestrel {
namespace {

template <class F>
void fill_with(Tensor& tensor, F&& draw) {
  if (tensor.device().is_cuda()) {
    Tensor host = Tensor::empty(tensor.shape(), tensor.dtype());
    fill_with(host, draw);
    tensor.copy_from(host);
    return;
  }
  visit_compute(tensor.dtype(), "random", [&]<class T>(T) {
    T* values = tensor.data<T>();
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      if constexpr (std::is_same_v<T, bfloat16>) {
        values[i] = bfloat16(static_cast<float>(draw()));
      } else {
        values[i] = static_cast<T>(draw());
      }
    }
  });
}

}  // namespace

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
  const uint64_t high = next() >> 5;
  const uint64_t low = next() >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
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
  return low + (high - low) * uniform();
}

double Philox::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

std::vector<int64_t> Philox::permutation(int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = n - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(integer(0, i + 1))]);
  }
  return order;
}

void fill_uniform(Tensor& tensor, double low, double high, Philox& random) {
  fill_with(tensor, [&] { return random.uniform(low, high); });
}

void fill_normal(Tensor& tensor, double mean, double std, Philox& random) {
  fill_with(tensor, [&] { return mean + std * random.normal(); });
}

}  // namespace kestrel
