#include <kestrel/kernels/box_iou.h>

#include <algorithm>
#include <vector>

#include <kestrel/kernels/common/box_overlap.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kPairsPerTask = 1 << 14;

/// Boxes with each coordinate in an array of its own, for loops over vectors of boxes.
template <class T>
class Columns {
 public:
  Columns(const T* boxes, int64_t count) : count_(count), values_(static_cast<size_t>(4 * count)) {
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t k = 0; k < 4; ++k)
        values_[static_cast<size_t>(k * count + i)] = boxes[4 * i + k];
    }
  }
  const T* operator[](int64_t k) const { return values_.data() + k * count_; }

 private:
  int64_t count_;
  std::vector<T> values_;
};

template <BoxOverlap kind, class T>
void overlap_row(const geometry::BoxOf<T>& box, const Columns<T>& others, int64_t count, T eps,
                 T* __restrict out) {
  const T* x1 = others[0];
  const T* y1 = others[1];
  const T* x2 = others[2];
  const T* y2 = others[3];
  for (int64_t j = 0; j < count; ++j) {
    out[j] = box_overlap<kind>(box, geometry::BoxOf<T>{x1[j], y1[j], x2[j], y2[j]}, eps);
  }
}

}  // namespace

void box_iou(ConstView a, ConstView b, const BoxIouParams& params, View out) {
  check_box_iou(a, b, params, out);
  const int64_t columns = b.size(0);
  visit_overlap(params.kind, [&]<BoxOverlap kind>(std::integral_constant<BoxOverlap, kind>) {
    const auto compute = [&]<class T>(T) {
      const Columns<T> others(b.as<T>(), columns);
      const T* boxes = a.as<T>();
      T* result = out.as<T>();
      parallel_for(a.size(0), kPairsPerTask / std::max<int64_t>(1, columns),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) {
                       overlap_row<kind>(geometry::load_box(boxes + 4 * i), others, columns,
                                         static_cast<T>(params.eps), result + i * columns);
                     }
                   });
    };
    if (a.dtype == DType::Float64) {
      compute(double{});
    } else {
      compute(float{});
    }
  });
}

}  // namespace kestrel::cpu
