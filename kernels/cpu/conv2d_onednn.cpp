#include <kestrel/kernels/cpu/conv2d_onednn.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>

#include <kestrel/kernels/cpu/onednn_plan.h>
#include <kestrel/kernels/cpu/scratch.h>
#include <kestrel/kernels/cpu/weight_cache.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

using namespace onednn;

std::atomic<Conv2dPath>& process_path() {
  static std::atomic<Conv2dPath> path = [] {
    const char* name = std::getenv("KESTREL_CONV");
    return conv2d_path_named(name ? name : "auto");
  }();
  return path;
}

dnnl::cpu_isa instructions() {
  static const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  return isa;
}

/// On the one CPU with AMX that oneDNN 2.6 was measured on, its gradient of the weights was slower
/// than float32 where windows are pixels or channels few. bfloat16 instructions without AMX do at
/// most twice the work of float32's, which our Winograd kernels make up for.
bool suits(Pass pass, const Conv2dGeometry& g) {
  const Conv2dPath path = conv2d_path();
  if (path == Conv2dPath::Own || path == Conv2dPath::Direct || !onednn_has_bfloat16()) return false;
  if (g.batch * g.channels * g.outputs * g.out_h * g.out_w == 0) return false;
  // Every window touches the input.
  if (g.pad_h > g.dilation_h * (g.kernel_h - 1) || g.pad_w > g.dilation_w * (g.kernel_w - 1)) {
    return false;
  }
  // oneDNN 2.6.3 gets these wrong where the CPU has bfloat16 and no AMX (jit_bf16_1x1): the last of
  // an odd number of outputs is multiplied by something else, for some numbers of pixels.
  if (pass == Pass::BackwardData && g.kernel_h * g.kernel_w == 1 && g.group_o % 2 != 0) {
    return false;
  }
  if (path == Conv2dPath::OneDnn) return true;
  return instructions() == dnnl::cpu_isa::avx512_core_amx &&
         (pass != Pass::BackwardWeights ||
          (g.groups == 1 && g.kernel_h * g.kernel_w > 1 && g.channels >= 128 && g.outputs >= 128));
}

/// Calls f and gives oneDNN's errors their operation and shapes.
template <class F>
bool translated(const char* op, const Conv2dGeometry& g, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& e) {
    fail("[", op, "] oneDNN: ", e.what(), " (status ", int{e.status}, "), for input ",
         Shape{g.batch, g.height, g.width, g.channels}, " and weight ",
         Shape{g.outputs, g.kernel_h, g.kernel_w, g.group_c});
  }
}

void reorder(const memory::desc& from, const void* data, const memory::desc& to, void* result) {
  const OneThread one;
  memory source(from, engine(), const_cast<void*>(data)), target(to, engine(), result);
  const dnnl::stream stream(engine());
  dnnl::reorder(source, target).execute(stream, source, target);
}

PackedWeights pack(const Plan& plan, Packing packing, ConstView weight, uint64_t weight_key) {
  return packed_weights(weight_key, packing, plan.layout, plan.packed_floats, [&](float* to) {
    int64_t next = 0;
    for (const Kernel& kernel : plan.bands) {
      if (kernel.weight_offset < next) continue;  // shares its packing with a band before
      reorder(plain_weight(plan.g, Type::bf16), weight.data, kernel.weight,
              to + kernel.weight_offset);
      next = kernel.weight_offset + 1;
    }
  });
}

const bfloat16* at(const ConstView& view, int64_t element) {
  return view.as<bfloat16>() + element;
}

/// Keeps NaN, which oneDNN's own ReLU makes zero.
void clamp_at_zero(bfloat16* values, int64_t count) {
  constexpr uint16_t kMinusZero = 0x8000, kMinusInfinity = 0xff80;
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = values[i].bits;
    values[i].bits = bits > kMinusZero && bits <= kMinusInfinity ? uint16_t{0} : bits;
  }
}

/// Runs f(kernel, first element of its band in the input, in the output), band after band.
template <class F>
void each_band(const Plan& plan, int64_t batch, F&& f) {
  const Conv2dGeometry& g = plan.g;
  const auto bands = static_cast<int64_t>(plan.bands.size());
  parallel_for(batch * bands, 1, [&](int64_t item, int64_t) {
    const OneThread one;
    const int64_t image = item / bands;
    const Kernel& kernel = plan.bands[static_cast<size_t>(item % bands)];
    f(kernel, (image * g.height + kernel.band.in_begin) * g.width * g.channels,
      (image * g.out_h + kernel.band.out_begin) * g.out_w * g.outputs);
  });
}

}  // namespace

Conv2dPath conv2d_path_named(std::string_view name) {
  if (name == "auto") return Conv2dPath::Auto;
  if (name == "own") return Conv2dPath::Own;
  if (name == "onednn") return Conv2dPath::OneDnn;
  if (name == "direct") return Conv2dPath::Direct;
  fail<UsageError>("[conv2d] KESTREL_CONV must be auto, own, onednn or direct, got \"", name, "\"");
}

Conv2dPath conv2d_path() {
  return process_path();
}

void set_conv2d_path(Conv2dPath path) {
  process_path() = path;
}

bool onednn_has_bfloat16() {
  const auto isa = static_cast<unsigned>(instructions());
  const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core);
  return (isa & needed) == needed;  // each set is a bit more than the one below
}

size_t onednn_plans() {
  return cached_plans();
}

bool conv2d_forward_onednn(const Conv2dGeometry& g, ConstView input, ConstView weight,
                           ConstView bias, ConstView residual, View output, bool relu,
                           uint64_t weight_key) {
  if (!suits(Pass::Forward, g)) return false;
  return translated("conv2d", g, [&] {
    Type bias_type = Type::undef;
    if (bias) bias_type = bias.dtype == DType::Float32 ? Type::f32 : Type::bf16;
    const auto plan = find_plan({Pass::Forward, g, bias_type, bool(residual)});
    if (!plan) return false;
    const PackedWeights packed = pack(*plan, Packing::OneDnnForward, weight, weight_key);
    each_band(*plan, g.batch, [&](const Kernel& kernel, int64_t in, int64_t out) {
      bfloat16* band = output.as<bfloat16>() + out;
      const int64_t count = kernel.band.out_rows * g.out_w * g.outputs;
      // The sum is with what the output holds.
      if (residual && residual.data != output.data) std::copy_n(at(residual, out), count, band);
      kernel.run(Pass::Forward, at(input, in), packed.data + kernel.weight_offset, bias.data, band);
      if (relu) clamp_at_zero(band, count);
    });
    return true;
  });
}

bool conv2d_backward_data_onednn(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                                 View grad_input, uint64_t weight_key) {
  if (!suits(Pass::BackwardData, g)) return false;
  return translated("conv2d_backward_data", g, [&] {
    const auto plan = find_plan({Pass::BackwardData, g});
    if (!plan) return false;
    const PackedWeights packed = pack(*plan, Packing::OneDnnBackwardData, weight, weight_key);
    each_band(*plan, g.batch, [&](const Kernel& kernel, int64_t in, int64_t out) {
      kernel.run(Pass::BackwardData, at(grad_input, in), packed.data + kernel.weight_offset,
                 nullptr, at(grad_output, out));
    });
    return true;
  });
}

// Divided by outputs, so that nothing has to be added up between threads: each slice of the
// gradient is copied to lie densely, image after image.
bool conv2d_backward_weights_onednn(const Conv2dGeometry& g, ConstView input, ConstView grad_output,
                                    View grad_weight) {
  constexpr int64_t kSlice = 64;
  if (!suits(Pass::BackwardWeights, g)) return false;
  return translated("conv2d_backward_weights", g, [&] {
    const int64_t width = g.groups == 1 ? std::min(kSlice, g.outputs) : g.outputs;
    const auto slice_plan = [&](int64_t outputs) {
      Conv2dGeometry slice = g;
      slice.outputs = outputs;
      slice.group_o = outputs / g.groups;
      return find_plan({Pass::BackwardWeights, slice});
    };
    const auto full = slice_plan(width);
    const auto rest = g.outputs % width == 0 ? full : slice_plan(g.outputs % width);
    if (!full || !rest) return false;
    const Type type = grad_weight.dtype == DType::Float32 ? Type::f32 : Type::bf16;
    const int64_t pixels = g.out_h * g.out_w;
    parallel_for(ceil_div(g.outputs, width), 1, [&](int64_t i, int64_t) {
      const OneThread one;
      const int64_t first = i * width, count = std::min(width, g.outputs - first);
      const Plan& plan = count == width ? *full : *rest;
      const Kernel& kernel = plan.bands.front();
      const int64_t floats = floats_of(kernel.weight);
      float* sum = scratch(Scratch::Sums, floats);
      float* part = scratch(Scratch::Gradient, floats);
      auto* slice = reinterpret_cast<bfloat16*>(
          scratch(Scratch::Rows, ceil_div(pixels * count, sizeof(float) / sizeof(bfloat16))));
      for (int64_t n = 0; n < g.batch; ++n) {
        for (int64_t pixel = 0; pixel < pixels; ++pixel) {
          std::copy_n(at(grad_output, (n * pixels + pixel) * g.outputs + first), count,
                      slice + pixel * count);
        }
        kernel.run(Pass::BackwardWeights, at(input, n * g.height * g.width * g.channels),
                   n == 0 ? sum : part, nullptr, slice);
        for (int64_t k = 0; n > 0 && k < floats; ++k) sum[k] += part[k];
      }
      const int64_t to = first * g.kernel_h * g.kernel_w * g.group_c * size_of(grad_weight.dtype);
      reorder(kernel.weight, sum, plain_weight(plan.g, type),
              static_cast<std::byte*>(grad_weight.data) + to);
    });
    return true;
  });
}

}  // namespace kestrel::cpu
