#pragma once

#include <cstddef>
#include <string_view>

#include <kestrel/kernels/cpu/conv2d_geometry.h>

namespace kestrel::cpu {

/// Who computes convolutions; oneDNN's are those in bfloat16.
enum class Conv2dPath : uint8_t {
  Auto,    ///< oneDNN what it is faster at, on a CPU with AMX; our own kernels the rest.
  Own,     ///< Our own kernels.
  OneDnn,  ///< oneDNN all that it can, also where it emulates bfloat16 (AVX-512).
  Direct,  ///< Our own kernels without Winograd's: round less, and take longer.
};

/// "auto", "own", "onednn" or "direct". Throws UsageError for another name.
Conv2dPath conv2d_path_named(std::string_view name);
/// That of the process: what KESTREL_CONV in the environment names, else Auto, until it is set.
Conv2dPath conv2d_path();
void set_conv2d_path(Conv2dPath path);

/// Whether oneDNN has bfloat16 convolutions for this CPU, emulated ones included.
bool onednn_has_bfloat16();

/// Convolutions whose primitives are kept, at most kMaxOneDnnPlans.
constexpr size_t kMaxOneDnnPlans = 1024;
size_t onednn_plans();

/// The functions of conv2d.h through oneDNN, for bfloat16. False: not done, nothing was written.
bool conv2d_forward_onednn(const Conv2dGeometry& g, ConstView input, ConstView weight,
                           ConstView bias, ConstView residual, View output, bool relu,
                           uint64_t weight_key);
bool conv2d_backward_data_onednn(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                                 View grad_input, uint64_t weight_key);
bool conv2d_backward_weights_onednn(const Conv2dGeometry& g, ConstView input, ConstView grad_output,
                                    View grad_weight);

}  // namespace kestrel::cpu
