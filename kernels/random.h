#pragma once

#include <array>
#include <cstdint>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

/// A place in the words of philox4x32(counter, key), which are followed by those of the counter
/// whose first number is one higher, and so on.
struct PhiloxPlace {
  std::array<uint32_t, 2> key;
  std::array<uint32_t, 4> counter;
  int32_t used;  ///< Words of the first counter that come before the place: 0 to 3.
};

constexpr int kWordsOfUniform = 2, kWordsOfNormal = 4;

/// Fill float32, float64 or bfloat16 of any shape with numbers drawn from a place on, in row-major
/// order. Uniform: low + (high - low) * u with 53 bits of u in [0, 1), of kWordsOfUniform words
/// each; the same bits on every device. Normal: by Box and Muller, of kWordsOfNormal words each;
/// the last bit of a double may differ between devices, with their cosine and logarithm.
namespace cpu {
void fill_uniform(View out, double low, double high, const PhiloxPlace& place);
void fill_normal(View out, double mean, double std, const PhiloxPlace& place);
}  // namespace cpu

namespace gpu {
void fill_uniform(View out, double low, double high, const PhiloxPlace& place, Stream stream);
void fill_normal(View out, double mean, double std, const PhiloxPlace& place, Stream stream);
}  // namespace gpu

}  // namespace kestrel
