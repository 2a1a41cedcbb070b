#pragma once

#include <omp.h>

// What oneDNN's header includes, which is not to be hidden.
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <kestrel/kernels/cpu/conv2d_geometry.h>

// Its classes are inline and templates: none of them becomes a symbol of Kestrel's library.
#pragma GCC visibility push(hidden)
#define DNNL_DLL  // its functions, though, are another library's
#include <oneapi/dnnl/dnnl.hpp>

/// How a convolution in bfloat16 is laid out for oneDNN.
namespace kestrel::cpu::onednn {

using dnnl::memory;
using Type = memory::data_type;

enum class Pass : uint8_t { Forward, BackwardData, BackwardWeights };

/// oneDNN divides its work, and with it the order of its sums, by the number of OpenMP's threads
/// that it sees. While one of these lives it sees one and starts none, which would wait for each
/// other; Kestrel divides the work by the shape alone, over its own threads.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_ = omp_get_max_threads();
};

const dnnl::engine& engine();

/// Rows of the input and rows of the output that are a convolution of their own.
struct Band {
  int64_t in_begin, in_rows, out_begin, out_rows;

  int64_t pad_top(const Conv2dGeometry& g) const {
    return in_begin - out_begin * g.stride_h + g.pad_h;
  }
  bool same_shape(const Band& other, const Conv2dGeometry& g) const {
    return in_rows == other.in_rows && out_rows == other.out_rows && pad_top(g) == other.pad_top(g);
  }
};

/// Weights as Kestrel keeps them, (O, kh, kw, C / groups).
memory::desc plain_weight(const Conv2dGeometry& g, Type type);

/// What a plan depends on. Plans are of one image: the batch does not matter.
struct Key {
  Pass pass;
  Conv2dGeometry g;
  Type bias = Type::undef;
  bool residual = false;

  bool operator==(const Key&) const = default;
};

/// One image's band: the primitive and how its operands lie.
struct Kernel {
  Band band;
  dnnl::primitive primitive;
  memory::desc input, weight, bias, output, scratchpad;
  int64_t weight_offset = 0;  // in the packed weights, in floats

  /// Operands by their roles in the convolution; the pass says which of them is written.
  void run(Pass pass, const void* x, const void* w, const void* b, const void* y) const;
};

/// A convolution of one image as bands, and the layouts that their weights are packed in.
struct Plan {
  Conv2dGeometry g;
  std::vector<Kernel> bands;  // those of one shape share their primitive
  int64_t packed_floats = 0;
  uint64_t layout = 0;  // a hash
};

/// The plan, made on first use; null where oneDNN has only reference code. At most
/// kMaxOneDnnPlans are kept; those not used for longest make room.
std::shared_ptr<const Plan> find_plan(Key key);

size_t cached_plans();

inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
inline int64_t floats_of(const memory::desc& desc) {
  return ceil_div(static_cast<int64_t>(desc.get_size()), sizeof(float));
}

}  // namespace kestrel::cpu::onednn
#pragma GCC visibility pop
