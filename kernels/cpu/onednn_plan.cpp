#include <kestrel/kernels/cpu/onednn_plan.h>

#include <cstring>
#include <functional>
#include <list>
#include <mutex>
#include <string_view>
#include <utility>

#include <kestrel/kernels/cpu/conv2d_onednn.h>
#include <kestrel/kernels/cpu/scratch.h>

static_assert(DNNL_VERSION_MAJOR == 2, "Kestrel is written for oneDNN 2, Debian 12's libdnnl-dev");

namespace kestrel::cpu::onednn {
namespace {

/// Bands of some tenths of a millisecond on a core with AMX whose maps stay in its cache. Forward
/// they share no output rows, for the gradient of the data no input rows; that of the weights is
/// not divided.
std::vector<Band> bands_of(const Conv2dGeometry& g, Pass pass) {
  constexpr int64_t kOperations = int64_t{1} << 28, kPixels = 4096;
  if (pass == Pass::BackwardWeights) return {{0, g.height, 0, g.out_h}};
  const int64_t span = g.dilation_h * (g.kernel_h - 1) + 1;
  const int64_t per_row = 2 * g.out_w * g.outputs * g.kernel_h * g.kernel_w * g.group_c;
  const int64_t most = std::min(ceil_div(kOperations, per_row), ceil_div(kPixels, g.out_w));
  const int64_t rows = ceil_div(g.out_h, ceil_div(g.out_h, most));
  std::vector<Band> bands;
  int64_t begin = 0;  // of the input
  for (int64_t out = 0; out < g.out_h; out += rows) {
    const int64_t out_end = std::min(out + rows, g.out_h);
    if (pass == Pass::Forward) {
      const int64_t first = out * g.stride_h - g.pad_h;
      const int64_t last = (out_end - 1) * g.stride_h - g.pad_h + span;
      begin = std::max<int64_t>(0, first);
      bands.push_back({begin, std::min(last, g.height) - begin, out, out_end - out});
    } else {
      // Up to the first row of the next band's first window; then all windows that touch these.
      const int64_t end = out_end == g.out_h ? g.height : out_end * g.stride_h - g.pad_h;
      if (end <= begin) continue;
      const int64_t first =
          std::max<int64_t>(0, (begin + g.pad_h - span + g.stride_h) / g.stride_h);
      const int64_t last = std::min(g.out_h, (end - 1 + g.pad_h) / g.stride_h + 1);
      bands.push_back({begin, end - begin, first, last - first});
      begin = end;
    }
  }
  return bands;
}

memory::desc map_desc(int64_t rows, int64_t width, int64_t channels) {
  return {{1, channels, rows, width}, Type::bf16, memory::format_tag::nhwc};
}

memory::dims weight_dims(const Conv2dGeometry& g) {
  memory::dims dims = {g.group_o, g.group_c, g.kernel_h, g.kernel_w};
  if (g.groups > 1) dims.insert(dims.begin(), g.groups);
  return dims;
}

/// The kernel's primitive, unless oneDNN has only its reference code, which is very slow.
template <class Primitive>
void make_primitive(Kernel& kernel, const typename Primitive::primitive_desc& made) {
  if (!made || std::strstr(made.impl_info_str(), "ref")) return;
  kernel.primitive = Primitive(made);
  kernel.scratchpad = made.scratchpad_desc();
  if constexpr (std::is_same_v<Primitive, dnnl::convolution_backward_weights>) {
    kernel.weight = made.diff_weights_desc();
  } else {
    kernel.weight = made.weights_desc();
  }
}

Kernel make_kernel(const Key& key, const Band& band) {
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;
  const Conv2dGeometry& g = key.g;
  const auto end_pad = [](int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t dilation,
                          int64_t pad) {
    return (out - 1) * stride + dilation * (kernel - 1) + 1 - in - pad;
  };
  const memory::dims strides = {g.stride_h, g.stride_w};
  const memory::dims gaps = {g.dilation_h - 1, g.dilation_w - 1};
  const memory::dims before = {band.pad_top(g), g.pad_w};
  const memory::dims after = {
      end_pad(band.in_rows, band.out_rows, g.kernel_h, g.stride_h, g.dilation_h, before[0]),
      end_pad(g.width, g.out_w, g.kernel_w, g.stride_w, g.dilation_w, g.pad_w)};
  const auto any_weight = [&](Type type) {
    return memory::desc(weight_dims(g), type, memory::format_tag::any);
  };
  Kernel kernel{.band = band,
                .input = map_desc(band.in_rows, g.width, g.channels),
                .output = map_desc(band.out_rows, g.out_w, g.outputs)};
  if (key.bias != Type::undef) kernel.bias = {{g.outputs}, key.bias, memory::format_tag::x};
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops epilogue;
  if (key.residual) epilogue.append_sum();
  attributes.set_post_ops(epilogue);

  const dnnl::convolution_forward::primitive_desc forward(
      {key.pass == Pass::Forward ? dnnl::prop_kind::forward_inference
                                 : dnnl::prop_kind::forward_training,
       kDirect, kernel.input, any_weight(Type::bf16), kernel.bias, kernel.output, strides, gaps,
       before, after},
      attributes, engine(), true);
  if (key.pass == Pass::Forward) {
    make_primitive<dnnl::convolution_forward>(kernel, forward);
  } else if (forward && key.pass == Pass::BackwardData) {
    make_primitive<dnnl::convolution_backward_data>(
        kernel, {{kDirect, kernel.input, any_weight(Type::bf16), kernel.output, strides, gaps,
                  before, after},
                 attributes,
                 engine(),
                 forward,
                 true});
  } else if (forward) {
    make_primitive<dnnl::convolution_backward_weights>(
        kernel, {{kDirect, kernel.input, any_weight(Type::f32), kernel.output, strides, gaps,
                  before, after},
                 attributes,
                 engine(),
                 forward,
                 true});
  }
  return kernel;
}

std::shared_ptr<const Plan> make_plan(const Key& key) {
  const OneThread one;
  auto plan = std::make_shared<Plan>();
  plan->g = key.g;
  std::vector<Kernel>& bands = plan->bands;
  for (const Band& band : bands_of(key.g, key.pass)) {
    const auto like = std::find_if(bands.begin(), bands.end(),
                                   [&](const Kernel& k) { return k.band.same_shape(band, key.g); });
    Kernel kernel = like == bands.end() ? make_kernel(key, band) : *like;
    if (!kernel.primitive) return nullptr;
    kernel.band = band;
    const auto packed = std::find_if(bands.begin(), bands.end(),
                                     [&](const Kernel& k) { return k.weight == kernel.weight; });
    if (packed != bands.end()) {
      kernel.weight_offset = packed->weight_offset;
    } else {
      const auto& bytes = kernel.weight.data;
      kernel.weight_offset = plan->packed_floats;
      plan->packed_floats += ceil_div(floats_of(kernel.weight), 16) * 16;
      plan->layout = plan->layout * 31 + std::hash<std::string_view>()(
                                             {reinterpret_cast<const char*>(&bytes), sizeof bytes});
    }
    bands.push_back(std::move(kernel));
  }
  return plan;
}

/// Recently used plans first. A model has some hundred, so a search is a walk.
struct Plans {
  std::mutex mutex;
  std::list<std::pair<Key, std::shared_ptr<const Plan>>> entries;

  std::shared_ptr<const Plan> find(const Key& key) {
    {
      const std::lock_guard lock(mutex);
      for (auto it = entries.begin(); it != entries.end(); ++it) {
        if (it->first == key) {
          entries.splice(entries.begin(), entries, it);
          return it->second;
        }
      }
    }
    auto plan = make_plan(key);
    const std::lock_guard lock(mutex);
    entries.emplace_front(key, plan);
    if (entries.size() > kMaxOneDnnPlans) entries.pop_back();
    return plan;
  }
};

Plans& plans() {
  static Plans instance;
  return instance;
}

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

memory::desc plain_weight(const Conv2dGeometry& g, Type type) {
  const int64_t depth = g.kernel_h * g.kernel_w * g.group_c;
  memory::dims strides = {depth, 1, g.kernel_w * g.group_c, g.group_c};
  if (g.groups > 1) strides.insert(strides.begin(), g.group_o * depth);
  return {weight_dims(g), type, strides};
}

void Kernel::run(Pass pass, const void* x, const void* w, const void* b, const void* y) const {
  const auto operand = [](const memory::desc& desc, const void* data) {
    return memory(desc, engine(), const_cast<void*>(data));
  };
  const bool to_input = pass == Pass::BackwardData, to_weight = pass == Pass::BackwardWeights;
  std::unordered_map<int, memory> operands = {
      {to_input ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, operand(input, x)},
      {to_weight ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, operand(weight, w)},
      {pass == Pass::Forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, operand(output, y)},
      {DNNL_ARG_SCRATCHPAD, operand(scratchpad, scratch(Scratch::Left, floats_of(scratchpad)))}};
  if (b) operands.emplace(DNNL_ARG_BIAS, operand(bias, b));
  primitive.execute(dnnl::stream(engine()), operands);
}

std::shared_ptr<const Plan> find_plan(Key key) {
  key.g.batch = 1;
  return plans().find(key);
}

size_t cached_plans() {
  const std::lock_guard lock(plans().mutex);
  return plans().entries.size();
}

}  // namespace kestrel::cpu::onednn
