#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {
namespace cpu {

/// Converts values between any two dtypes; same number of elements. Floating to integer truncates.
void convert(ConstView from, View to);
/// Sets every element.
void fill(View out, double value);

}  // namespace cpu
namespace gpu {

void convert(ConstView from, View to, Stream stream);
void fill(View out, double value, Stream stream);

}  // namespace gpu
}  // namespace kestrel
