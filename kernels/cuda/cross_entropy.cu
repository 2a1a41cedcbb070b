#include <kestrel/kernels/cross_entropy.h>

#include <limits>

#include <kestrel/kernels/common/binary_cross_entropy.h>
#include <kestrel/kernels/common/cross_entropy_checks.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/row_walk.h>
#include <kestrel/kernels/cuda/segments.h>

namespace kestrel::gpu {
namespace {

/// Elements per warp of the kernels that go element by element.
constexpr int64_t kSegment = 2048;

/// Element i of an operand that may be absent.
template <class A>
__device__ A weight_at(const A* weights, int64_t i) {
  return weights ? weights[i] : A(1);
}

__device__ bool is_in(int64_t label, int64_t end) {
  return 0 <= label && label < end;
}

/// `lanes` lanes share a row.
template <class T, int size>
__global__ void softmax_forward_kernel(int64_t n, int64_t classes, int lanes,
                                       const Vector<T, size>* logits, const int64_t* labels,
                                       const Accumulate<T>* class_weight,
                                       const Accumulate<T>* sample_weight, int64_t ignore_index,
                                       Accumulate<T>* losses, Accumulate<T>* log_sum_exp) {
  using A = Accumulate<T>;
  constexpr A kInfinity = std::numeric_limits<A>::infinity();
  const Segment segment = warp_segment(n, kWarp / lanes);
  const int64_t row = segment.begin + segment.lane / lanes;
  const int first = segment.lane % lanes;
  const bool inside = row < segment.end;
  const int64_t width = classes / size;
  // One pass: the sum so far is of exp(x - own), and shrinks where a larger logit turns up.
  A own = classes > 0 ? -kInfinity : A(0);
  A total = 0;
  const int skew = sector_skew<Vector<T, size>>(row * width, lanes);
  for (int64_t c = first - skew; inside && c < width; c += lanes) {
    const Vector<T, size> pack = logits[row * width + (c < 0 ? 0 : c)];
    if (c < 0) continue;
    for (int k = 0; k < size; ++k) {
      const A x = static_cast<A>(pack[k]);
      const A e = x == own ? A(1) : std::exp(-std::abs(x - own));
      total = x > own ? total * e + 1 : total + e;
      own = x > own ? x : own;
    }
  }
  const A largest = group_reduce<Max>(own, lanes);
  total = group_reduce<Sum>(total * std::exp(own - largest), lanes);
  if (!inside || first != 0) return;
  // Not largest + log(total): that would lose the small logarithm beside a large logit.
  const A log_total = std::log(total);
  log_sum_exp[row] = largest + log_total;
  const int64_t label = labels[row];
  A loss = std::numeric_limits<A>::quiet_NaN();
  if (label == ignore_index) {
    loss = 0;
  } else if (is_in(label, classes)) {
    const A x = static_cast<A>(reinterpret_cast<const T*>(logits)[row * classes + label]);
    loss =
        weight_at(class_weight, label) * weight_at(sample_weight, row) * (largest - x + log_total);
  }
  losses[row] = loss;
}

/// What the gradient of a row has in common. The weight is NaN where the label is none.
template <class A>
struct SoftmaxRow {
  int64_t label;
  bool ignored;
  A weight, log_sum_exp;
};

template <class A>
struct SoftmaxRows {
  const int64_t* labels;
  const A *class_weight, *sample_weight, *log_sum_exp, *grad_losses;
  bool one_gradient;
  A factor;
  int64_t classes, ignore_index;

  __device__ SoftmaxRow<A> operator[](int64_t row) const {
    const int64_t label = labels[row];
    SoftmaxRow<A> r{label, label == ignore_index, std::numeric_limits<A>::quiet_NaN(),
                    log_sum_exp[row]};
    if (is_in(label, classes)) {
      r.weight = weight_at(class_weight, label) * weight_at(sample_weight, row) *
                 grad_losses[one_gradient ? 0 : row] * factor;
    }
    return r;
  }
};

template <class T, int size>
__global__ void softmax_backward_kernel(int64_t n, const Vector<T, size>* logits,
                                        SoftmaxRows<Accumulate<T>> rows, RowStep step,
                                        Vector<T, size>* grad_logits) {
  using A = Accumulate<T>;
  const Segment segment = warp_segment(n, kSegment);
  int64_t at = segment.begin + segment.lane * size;
  RowWalk walk(at, step);
  for (; at < segment.end; at += kWarp * size, walk.advance(step)) {
    const Vector<T, size> x = logits[at / size];
    Vector<T, size> grad;
    int64_t row = walk.row;
    int64_t column = walk.column;
    SoftmaxRow<A> r = rows[row];
    for (int k = 0; k < size; ++k, ++column) {
      if (column == step.columns) {
        column = 0;
        r = rows[++row];
      }
      const A probability = std::exp(static_cast<A>(x[k]) - r.log_sum_exp);
      const A slope = r.weight * (probability - (column == r.label ? A(1) : A(0)));
      grad[k] = T(r.ignored ? A(0) : slope);
    }
    grad_logits[at / size] = grad;
  }
}

/// Weight and label of a row of binary cross entropy. The weight is NaN where the label is none.
template <class A>
struct BinaryRow {
  int64_t label;
  A weight;
};

template <class A>
struct BinaryRows {
  const int64_t* labels;  ///< Absent where targets are numbers.
  const A *class_weight, *sample_weight;
  int64_t classes, ignore_index;

  /// Whether a thread may have several elements: the labels of one class are then read apart from
  /// each other.
  bool allow_packs() const { return !labels || classes > 1; }
  __device__ BinaryRow<A> operator[](int64_t row) const {
    const int64_t label = labels ? labels[row] : 0;
    if (labels && label == ignore_index) return {label, A(0)};
    if (labels && !is_in(label, classes + 1)) return {label, std::numeric_limits<A>::quiet_NaN()};
    return {label, weight_at(sample_weight, row)};
  }
};

/// Calls f(unit, element of the unit, target, positive weight, weight of the row) for the elements
/// of a segment, and store(unit) after those of a unit.
template <class A, int size, class Load, class Element, class Store>
__device__ void visit_binary(int64_t n, const Vector<A, size>* targets, const BinaryRows<A>& rows,
                             const RowStep& step, Load load, Element element, Store store) {
  const Segment segment = warp_segment(n, kSegment);
  int64_t at = segment.begin + segment.lane * size;
  RowWalk walk(at, step);
  for (; at < segment.end; at += kWarp * size, walk.advance(step)) {
    load(at / size);
    Vector<A, size> target{};
    if (!rows.labels) target = targets[at / size];
    int64_t row = walk.row;
    int64_t column = walk.column;
    BinaryRow<A> r = rows[row];
    for (int k = 0; k < size; ++k, ++column) {
      if (column == step.columns) {
        column = 0;
        r = rows[++row];
      }
      if (rows.labels) target[k] = column == r.label ? A(1) : A(0);
      element(k, target[k], weight_at(rows.class_weight, column), r.weight);
    }
    store(at / size);
  }
}

template <class T, int size>
__global__ void binary_forward_kernel(int64_t n, const Vector<T, size>* logits,
                                      const Vector<Accumulate<T>, size>* targets,
                                      BinaryRows<Accumulate<T>> rows, RowStep step,
                                      Vector<Accumulate<T>, size>* losses) {
  using A = Accumulate<T>;
  Vector<T, size> x;
  Vector<A, size> loss;
  visit_binary(
      n, targets, rows, step, [&](int64_t unit) { x = logits[unit]; },
      [&](int k, A target, A positive, A weight) {
        const A value = weight * binary_cross_entropy::loss(static_cast<A>(x[k]), target, positive);
        loss[k] = weight == 0 ? A(0) : value;
      },
      [&](int64_t unit) { losses[unit] = loss; });
}

/// one_gradient stands for all losses where it is not null, grad_losses otherwise.
template <class T, int size>
__global__ void binary_backward_kernel(int64_t n, const Vector<T, size>* logits,
                                       const Vector<Accumulate<T>, size>* targets,
                                       BinaryRows<Accumulate<T>> rows, RowStep step,
                                       const Accumulate<T>* one_gradient,
                                       const Vector<Accumulate<T>, size>* grad_losses,
                                       Accumulate<T> factor, Vector<T, size>* grad_logits) {
  using A = Accumulate<T>;
  Vector<T, size> x;
  Vector<T, size> grad;
  Vector<A, size> from;
  const A all = one_gradient ? *one_gradient : A(0);
  visit_binary(
      n, targets, rows, step,
      [&](int64_t unit) {
        x = logits[unit];
        if (!one_gradient) from = grad_losses[unit];
      },
      [&](int k, A target, A positive, A weight) {
        const A value = weight * factor * (one_gradient ? all : from[k]) *
                        binary_cross_entropy::slope(static_cast<A>(x[k]), target, positive);
        grad[k] = T(weight == 0 ? A(0) : value);
      },
      [&](int64_t unit) { grad_logits[unit] = grad; });
}

template <class A>
const A* optional(ConstView view) {
  return view ? view.as<A>() : nullptr;
}

template <class A>
BinaryRows<A> binary_rows(ConstView logits, ConstView targets, ConstView class_weight,
                          ConstView sample_weight, int64_t ignore_index) {
  return {targets.dtype == DType::Int64 ? targets.as<int64_t>() : nullptr,
          optional<A>(class_weight), optional<A>(sample_weight), logits.size(1), ignore_index};
}

}  // namespace

void softmax_cross_entropy_forward(ConstView logits, ConstView labels, ConstView class_weight,
                                   ConstView sample_weight, int64_t ignore_index, View losses,
                                   View log_sum_exp, Stream stream) {
  cross_entropy::check_operands("cross_entropy", logits, class_weight, sample_weight);
  cross_entropy::check_labels("cross_entropy", logits, labels);
  const int64_t classes = logits.size(1);
  visit_compute(logits.dtype, "cross_entropy", [&]<class T>(T) {
    using A = Accumulate<T>;
    const auto start = [&]<int size>(std::integral_constant<int, size>) {
      const int lanes = lanes_per_row(classes / size);
      launch_segments(softmax_forward_kernel<T, size>, logits.size(0), kWarp / lanes, stream,
                      classes, lanes, vectors<size>(logits.as<T>()), labels.as<int64_t>(),
                      optional<A>(class_weight), optional<A>(sample_weight), ignore_index,
                      losses.as<A>(), log_sum_exp.as<A>());
    };
    visit_pack<T>(is_packed(logits.as<T>(), classes), start);
  });
}

void softmax_cross_entropy_backward(ConstView logits, ConstView labels, ConstView class_weight,
                                    ConstView sample_weight, ConstView log_sum_exp,
                                    ConstView grad_losses, double factor, int64_t ignore_index,
                                    View grad_logits, Stream stream) {
  const int64_t n = logits.numel();
  if (n == 0) return;
  visit_compute(logits.dtype, "cross_entropy_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const SoftmaxRows<A> rows{labels.as<int64_t>(),
                              optional<A>(class_weight),
                              optional<A>(sample_weight),
                              log_sum_exp.as<A>(),
                              grad_losses.as<A>(),
                              grad_losses.numel() == 1,
                              static_cast<A>(factor),
                              logits.size(1),
                              ignore_index};
    const auto start = [&]<int size>(std::integral_constant<int, size>) {
      launch_segments(softmax_backward_kernel<T, size>, n, kSegment, stream,
                      vectors<size>(logits.as<T>()), rows, row_step(logits.size(1), kWarp * size),
                      vectors<size>(grad_logits.as<T>()));
    };
    visit_pack<T>(is_packed(logits.as<T>(), n) && is_packed(grad_logits.as<T>(), n), start);
  });
}

void binary_cross_entropy_forward(ConstView logits, ConstView targets, ConstView class_weight,
                                  ConstView sample_weight, int64_t ignore_index, View losses,
                                  Stream stream) {
  cross_entropy::check_operands("binary_cross_entropy", logits, class_weight, sample_weight);
  cross_entropy::check_targets(logits, targets);
  const int64_t n = logits.numel();
  if (n == 0) return;
  visit_compute(logits.dtype, "binary_cross_entropy", [&]<class T>(T) {
    using A = Accumulate<T>;
    const auto rows = binary_rows<A>(logits, targets, class_weight, sample_weight, ignore_index);
    const A* numbers = rows.labels ? nullptr : targets.as<A>();
    const auto start = [&]<int size>(std::integral_constant<int, size>) {
      launch_segments(binary_forward_kernel<T, size>, n, kSegment, stream,
                      vectors<size>(logits.as<T>()), vectors<size>(numbers), rows,
                      row_step(logits.size(1), kWarp * size), vectors<size>(losses.as<A>()));
    };
    constexpr int kSize = Pack<A>::kSize;
    visit_pack<A>(rows.allow_packs() && is_vector<kSize>(logits.as<T>(), n) &&
                      is_packed(numbers, n) && is_packed(losses.as<A>(), n),
                  start);
  });
}

void binary_cross_entropy_backward(ConstView logits, ConstView targets, ConstView class_weight,
                                   ConstView sample_weight, ConstView grad_losses, double factor,
                                   int64_t ignore_index, View grad_logits, Stream stream) {
  const int64_t n = logits.numel();
  if (n == 0) return;
  visit_compute(logits.dtype, "binary_cross_entropy_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const auto rows = binary_rows<A>(logits, targets, class_weight, sample_weight, ignore_index);
    const A* numbers = rows.labels ? nullptr : targets.as<A>();
    const bool one = grad_losses.numel() == 1;
    const A* one_gradient = one ? grad_losses.as<A>() : nullptr;
    const A* gradients = one ? nullptr : grad_losses.as<A>();
    const auto start = [&]<int size>(std::integral_constant<int, size>) {
      launch_segments(binary_backward_kernel<T, size>, n, kSegment, stream,
                      vectors<size>(logits.as<T>()), vectors<size>(numbers), rows,
                      row_step(logits.size(1), kWarp * size), one_gradient,
                      vectors<size>(gradients), factor, vectors<size>(grad_logits.as<T>()));
    };
    constexpr int kSize = Pack<A>::kSize;
    visit_pack<A>(rows.allow_packs() && is_vector<kSize>(logits.as<T>(), n) &&
                      is_packed(numbers, n) && is_packed(gradients, n) &&
                      is_vector<kSize>(grad_logits.as<T>(), n),
                  start);
  });
}

}  // namespace kestrel::gpu
