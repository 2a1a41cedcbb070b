#include <kestrel/kernels/focal_loss.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kestrel/kernels/cpu/focal_loss.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include <kestrel/kernels/common/focal.h>
#include <kestrel/kernels/common/focal_loss_checks.h>
#include <kestrel/kernels/parallel.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

/// exp(x) for x <= 0, to about one unit in the last place (Cephes' polynomial); below -87,
/// exp(-87).
HWY_INLINE V exp_of_negative(D d, V x) {
  const hn::RebindToSigned<D> di;
  x = hn::Max(x, hn::Set(d, -87.0f));
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504088896341f)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  V p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  p = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::Mul(p, hn::BitCast(d, exponent));
}

/// focal::of_wrong_logit() of a vector, times a weight; zero where the weight is.
HWY_INLINE V focal_vector(D d, V z, V weight, V gamma, bool square, V& gradient) {
  const V one = hn::Set(d, 1.0f);
  const V two = hn::Set(d, 2.0f);
  const V zero = hn::Zero(d);
  const V e = exp_of_negative(d, hn::Neg(hn::Abs(z)));
  // One division gives 1 / (1 + e) and e / (2 + e); log1p(e) = 2 atanh(e / (2 + e)).
  const V one_e = hn::Add(one, e);
  const V two_e = hn::Add(two, e);
  const V r = hn::Div(one, hn::Mul(one_e, two_e));
  const V large = hn::Mul(r, two_e);
  const V small = hn::Mul(e, large);
  const V a = hn::Mul(hn::Mul(e, r), one_e);
  const V a2 = hn::Mul(a, a);
  V p = hn::Set(d, 0.2440940344f);
  p = hn::MulAdd(p, a2, hn::Set(d, 0.2139426741f));
  p = hn::MulAdd(p, a2, hn::Set(d, 0.2862062340f));
  p = hn::MulAdd(p, a2, hn::Set(d, 0.3999869481f));
  p = hn::MulAdd(p, a2, hn::Set(d, 0.6666667925f));
  p = hn::MulAdd(p, a2, two);
  const V log1p_e = hn::Mul(a, p);

  const auto positive = hn::Gt(z, zero);
  const V s = hn::IfThenElse(positive, large, small);
  const V rest = hn::IfThenElse(positive, small, large);
  const V l = hn::Add(hn::Max(z, zero), log1p_e);
  const V power =
      square ? hn::Mul(s, s)
             : exp_of_negative(
                   d, hn::NegMulAdd(gamma, hn::Add(hn::Max(hn::Neg(z), zero), log1p_e), zero));
  const V weighted = hn::Mul(weight, power);
  const auto counts = hn::Ne(weight, zero);
  const auto nan = hn::IsNaN(z);
  const V slope = hn::Mul(weighted, hn::MulAdd(hn::Mul(gamma, rest), l, s));
  gradient = hn::IfThenElseZero(counts, hn::IfThenElse(nan, z, slope));
  return hn::IfThenElseZero(counts, hn::IfThenElse(nan, z, hn::Mul(weighted, l)));
}

/// Sum over logits that are all negatives, and their gradients. All arrays are readable and
/// writable up to the next multiple of 16.
double focal_negatives(const float* x, const float* weight, float* grad, size_t count,
                       float gamma) {
  const D d;
  const hn::Repartition<double, D> dd;
  const hn::Half<D> half;
  auto low = hn::Zero(dd);
  auto high = hn::Zero(dd);
  const V g = hn::Set(d, gamma);
  const bool square = gamma == 2.0f;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    V gradient;
    const V loss =
        focal_vector(d, hn::LoadU(d, x + i), hn::LoadU(d, weight + i), g, square, gradient);
    low = hn::Add(low, hn::PromoteTo(dd, hn::LowerHalf(half, loss)));
    high = hn::Add(high, hn::PromoteTo(dd, hn::UpperHalf(half, loss)));
    hn::StoreU(gradient, d, grad + i);
  }
  return hn::GetLane(hn::SumOfLanes(dd, hn::Add(low, high)));
}

}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(focal_negatives);

namespace {

constexpr int64_t kTile = 2048;
constexpr int64_t kTilesPerChunk = 16;
constexpr int64_t kPadding = 16;

/// One call: rows [begin, end) at a time, tile by tile.
template <class T>
class FocalRows {
 public:
  /// Weights, the loss and its sum per row are of this type.
  using A = Accumulate<T>;

  FocalRows(const T* logits, const int64_t* labels, const A* weights, int64_t classes,
            const FocalLossParams& params, T* grad)
      : logits_(logits),
        labels_(labels),
        weights_(weights),
        classes_(classes),
        params_(params),
        grad_(grad) {}

  int64_t rows_per_tile() const {
    return std::max<int64_t>(1, kTile / std::max<int64_t>(1, classes_));
  }

  double run(int64_t begin, int64_t end) const {
    double total = 0;
    if constexpr (std::is_same_v<T, double>) {
      for (int64_t row = begin; row < end; ++row) total += one_row(row);
    } else {
      const int64_t rows = rows_per_tile();
      const auto size = static_cast<size_t>(rows * classes_ + kPadding);
      Tile tile{std::vector<float>(size), std::vector<float>(size), std::vector<float>(size)};
      for (int64_t row = begin; row < end; row += rows) {
        total += one_tile(row, std::min(end, row + rows), tile);
      }
    }
    return total;
  }

 private:
  struct Tile {
    std::vector<float> x, weight, grad;
  };

  int64_t label(int64_t row) const {
    const int64_t value = labels_[row];
    KESTREL_CHECK(value >= -1 && value <= classes_, "[focal_loss] label ", value, " of row ", row,
                  " is not in [-1, ", classes_, "]");
    return value;
  }
  double scale_of(int64_t row) const {
    return params_.scale * (weights_ ? static_cast<double>(weights_[row]) : 1.0);
  }
  double element(int64_t row, int64_t c, bool positive) const {
    const auto x = static_cast<A>(logits_[row * classes_ + c]);
    const auto r = focal::of_logit(x, positive, static_cast<A>(params_.gamma));
    const double weight = (positive ? params_.alpha : 1 - params_.alpha) * scale_of(row);
    if (grad_)
      grad_[row * classes_ + c] = T(static_cast<A>(weight * static_cast<double>(r.gradient)));
    return weight * static_cast<double>(r.loss);
  }
  double one_row(int64_t row) const {
    const int64_t positive = label(row);
    if (positive < 0 || scale_of(row) == 0) {
      if (grad_) std::fill_n(grad_ + row * classes_, classes_, T(A(0)));
      return 0;
    }
    double total = 0;
    for (int64_t c = 0; c < classes_; ++c) total += element(row, c, c == positive);
    return total;
  }

  /// Negatives in vectors; the few positives have weight 0 there and are done one by one.
  double one_tile(int64_t begin, int64_t end, Tile& tile) const {
    const int64_t count = (end - begin) * classes_;
    const T* x = logits_ + begin * classes_;
    for (int64_t i = 0; i < count; ++i) tile.x[static_cast<size_t>(i)] = static_cast<float>(x[i]);
    for (int64_t row = begin; row < end; ++row) {
      float* weight = tile.weight.data() + (row - begin) * classes_;
      const int64_t positive = label(row);
      const double scale = positive < 0 ? 0 : (1 - params_.alpha) * scale_of(row);
      std::fill_n(weight, classes_, static_cast<float>(scale));
      if (positive >= 0 && positive < classes_) weight[positive] = 0;
    }
    // What an earlier, longer tile left in the rest of the last vector must not count.
    std::fill_n(tile.weight.data() + count, kPadding, 0.0f);
    double total = HWY_DYNAMIC_DISPATCH(focal_negatives)(
        tile.x.data(), tile.weight.data(), tile.grad.data(), static_cast<size_t>(count),
        static_cast<float>(params_.gamma));
    if (grad_) {
      T* grad = grad_ + begin * classes_;
      for (int64_t i = 0; i < count; ++i) grad[i] = T(tile.grad[static_cast<size_t>(i)]);
    }
    for (int64_t row = begin; row < end; ++row) {
      if (labels_[row] < 0 || labels_[row] == classes_ || scale_of(row) == 0) continue;
      total += element(row, labels_[row], true);
    }
    return total;
  }

  const T* logits_;
  const int64_t* labels_;
  const A* weights_;
  int64_t classes_;
  FocalLossParams params_;
  T* grad_;
};

}  // namespace

void focal_loss(ConstView logits, ConstView labels, ConstView weights,
                const FocalLossParams& params, ConstView avg_factor, View loss, View grad) {
  const int64_t classes = check_focal_loss(logits, labels, weights, params, grad);
  const int64_t n = labels.numel();
  visit_compute(logits.dtype, "focal_loss", [&]<class T>(T) {
    using A = Accumulate<T>;
    FocalLossParams own = params;
    if (avg_factor) own.scale /= *avg_factor.as<double>();
    const FocalRows<T> rows(logits.as<T>(), labels.as<int64_t>(),
                            weights ? weights.as<A>() : nullptr, classes, own,
                            grad ? grad.as<T>() : nullptr);
    const int64_t grain = rows.rows_per_tile() * kTilesPerChunk;
    std::vector<double> partial(static_cast<size_t>((n + grain - 1) / grain));
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
      partial[static_cast<size_t>(begin / grain)] = rows.run(begin, end);
    });
    double total = 0;
    for (const double part : partial) total += part;
    *loss.as<A>() = static_cast<A>(total);
  });
}

}  // namespace kestrel::cpu
#endif
