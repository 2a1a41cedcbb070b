#pragma once

#include <cstddef>
#include <vector>

#include <kestrel/kernels/cpu/conv2d_geometry.h>

/// Convolutions with groups.
namespace kestrel::cpu {

/// A group per channel, with one output: window sums, not matrix products.
bool is_depthwise(const Conv2dGeometry& g);
void conv2d_forward_depthwise(const Conv2dGeometry& g, ConstView input, ConstView weight,
                              ConstView bias, ConstView residual, View output, bool relu);
void conv2d_backward_data_depthwise(const Conv2dGeometry& g, ConstView grad_output,
                                    ConstView weight, View grad_input);
void conv2d_backward_weights_depthwise(const Conv2dGeometry& g, ConstView input,
                                       ConstView grad_output, View grad_weight);

/// Groups of few channels, whose windows are read where they lie: float32 and bfloat16.
bool has_narrow_groups(const Conv2dGeometry& g);
void conv2d_forward_grouped(const Conv2dGeometry& g, ConstView input, ConstView weight,
                            ConstView bias, ConstView residual, View output,
                            const Conv2dParams& params);
/// Those of them whose gradient of the data is such a convolution, too.
bool has_narrow_groups_backward(const Conv2dGeometry& g);
void conv2d_backward_data_grouped(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                                  View grad_input, uint64_t weight_key);

/// The same convolution with fewer groups, wide enough for a matrix product: neighbours are joined,
/// and weights between them are zero. An infinite input makes its neighbours' outputs NaN.
class JoinedGroups {
 public:
  explicit JoinedGroups(const Conv2dGeometry& g);

  const Conv2dGeometry& geometry() const { return joined_; }
  /// How many groups became one.
  int64_t factor() const { return g_.groups / joined_.groups; }

  /// The weight (O, kh, kw, C / groups) of the joined convolution. Lives as long as this object.
  ConstView join(ConstView weight);
  /// Room for the gradient of the joined weight, and what of it is the gradient of the weight.
  View room(DType dtype);
  void take(View grad_weight) const;

 private:
  View view(DType dtype);

  Conv2dGeometry g_, joined_;
  std::vector<std::byte> storage_;
};

}  // namespace kestrel::cpu
