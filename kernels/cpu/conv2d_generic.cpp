#include <vector>

#include <kestrel/kernels/cpu/conv2d_geometry.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

template <class T, class A>
void axpy(int64_t n, A factor, const T* x, A* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += factor * static_cast<A>(x[i]);
}

template <class T>
void forward(const Conv2dGeometry& g, const T* input, const T* weight, ConstView bias,
             const T* residual, T* output, bool relu) {
  using A = Accumulate<T>;
  const int64_t depth = g.kernel_h * g.kernel_w * g.group_c;
  // (groups, depth, group_o): the inner loop runs over outputs.
  std::vector<A> transposed(static_cast<size_t>(g.outputs * depth));
  parallel_for(g.outputs, 8, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      A* to = transposed.data() + o / g.group_o * depth * g.group_o + o % g.group_o;
      for (int64_t k = 0; k < depth; ++k) to[k * g.group_o] = static_cast<A>(weight[o * depth + k]);
    }
  });
  parallel_for(g.batch * g.out_h, 1, [&](int64_t begin, int64_t end) {
    std::vector<A> sum(static_cast<size_t>(g.outputs));
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / g.out_h, oy = row % g.out_h;
      for (int64_t ox = 0; ox < g.out_w; ++ox) {
        for (int64_t o = 0; o < g.outputs; ++o)
          sum[static_cast<size_t>(o)] = optional_at<A>(bias, o);
        for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
          const int64_t y = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
          if (y < 0 || y >= g.height) continue;
          for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
            const int64_t x = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
            if (x < 0 || x >= g.width) continue;
            const T* pixel = input + ((n * g.height + y) * g.width + x) * g.channels;
            for (int64_t group = 0; group < g.groups; ++group) {
              const A* w = transposed.data() +
                           (group * depth + (ky * g.kernel_w + kx) * g.group_c) * g.group_o;
              for (int64_t c = 0; c < g.group_c; ++c) {
                axpy(g.group_o, static_cast<A>(pixel[group * g.group_c + c]), w + c * g.group_o,
                     sum.data() + group * g.group_o);
              }
            }
          }
        }
        const int64_t at = (row * g.out_w + ox) * g.outputs;
        for (int64_t o = 0; o < g.outputs; ++o) {
          A value = sum[static_cast<size_t>(o)];
          if (residual) value += static_cast<A>(residual[at + o]);
          if (relu && value < A{0}) value = A{0};
          output[at + o] = static_cast<T>(value);
        }
      }
    }
  });
}

template <class T>
void backward_data(const Conv2dGeometry& g, const T* grad_output, const T* weight, T* grad_input) {
  using A = Accumulate<T>;
  parallel_for(g.batch * g.height, 1, [&](int64_t begin, int64_t end) {
    std::vector<A> sum(static_cast<size_t>(g.channels));
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / g.height, y = row % g.height;
      for (int64_t x = 0; x < g.width; ++x) {
        std::fill(sum.begin(), sum.end(), A{0});
        for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
          const int64_t sy = y + g.pad_h - ky * g.dilation_h;
          if (sy < 0 || sy % g.stride_h != 0 || sy / g.stride_h >= g.out_h) continue;
          for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
            const int64_t sx = x + g.pad_w - kx * g.dilation_w;
            if (sx < 0 || sx % g.stride_w != 0 || sx / g.stride_w >= g.out_w) continue;
            const T* pixel =
                grad_output +
                ((n * g.out_h + sy / g.stride_h) * g.out_w + sx / g.stride_w) * g.outputs;
            for (int64_t o = 0; o < g.outputs; ++o) {
              axpy(g.group_c, static_cast<A>(pixel[o]),
                   weight + ((o * g.kernel_h + ky) * g.kernel_w + kx) * g.group_c,
                   sum.data() + o / g.group_o * g.group_c);
            }
          }
        }
        T* to = grad_input + (row * g.width + x) * g.channels;
        for (int64_t c = 0; c < g.channels; ++c)
          to[c] = static_cast<T>(sum[static_cast<size_t>(c)]);
      }
    }
  });
}

template <class T, class W>
void backward_weights(const Conv2dGeometry& g, const T* input, const T* grad_output,
                      W* grad_weight) {
  using A = Accumulate<T>;
  const int64_t depth = g.kernel_h * g.kernel_w * g.group_c;
  parallel_for(g.outputs, 8, [&](int64_t begin, int64_t end) {
    std::vector<A> sum(static_cast<size_t>((end - begin) * depth));
    for (int64_t n = 0; n < g.batch; ++n) {
      for (int64_t oy = 0; oy < g.out_h; ++oy) {
        for (int64_t ox = 0; ox < g.out_w; ++ox) {
          const T* grad = grad_output + ((n * g.out_h + oy) * g.out_w + ox) * g.outputs;
          for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
            const int64_t y = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
            if (y < 0 || y >= g.height) continue;
            for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
              const int64_t x = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
              if (x < 0 || x >= g.width) continue;
              const T* pixel = input + ((n * g.height + y) * g.width + x) * g.channels;
              for (int64_t o = begin; o < end; ++o) {
                axpy(g.group_c, static_cast<A>(grad[o]), pixel + o / g.group_o * g.group_c,
                     sum.data() + (o - begin) * depth + (ky * g.kernel_w + kx) * g.group_c);
              }
            }
          }
        }
      }
    }
    for (size_t i = 0; i < sum.size(); ++i) {
      grad_weight[begin * depth + static_cast<int64_t>(i)] = static_cast<W>(sum[i]);
    }
  });
}

template <class T, class B>
void backward_bias(const T* grad_output, int64_t pixels, int64_t outputs, B* grad_bias) {
  using A = Accumulate<T>;
  parallel_for(outputs, 64, [&](int64_t begin, int64_t end) {
    std::vector<A> sum(static_cast<size_t>(end - begin));
    for (int64_t p = 0; p < pixels; ++p) {
      axpy(end - begin, A{1}, grad_output + p * outputs + begin, sum.data());
    }
    for (int64_t o = begin; o < end; ++o) {
      grad_bias[o] = static_cast<B>(sum[static_cast<size_t>(o - begin)]);
    }
  });
}

}  // namespace

void conv2d_forward_generic(const Conv2dGeometry& g, ConstView input, ConstView weight,
                            ConstView bias, ConstView residual, View output, bool relu) {
  visit_compute(input.dtype, "conv2d", [&](auto type) {
    using T = decltype(type);
    forward<T>(g, input.as<T>(), weight.as<T>(), bias, residual ? residual.as<T>() : nullptr,
               output.as<T>(), relu);
  });
}

void conv2d_backward_data_generic(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                                  View grad_input) {
  visit_compute(grad_output.dtype, "conv2d", [&](auto type) {
    using T = decltype(type);
    backward_data<T>(g, grad_output.as<T>(), weight.as<T>(), grad_input.as<T>());
  });
}

void conv2d_backward_weights_generic(const Conv2dGeometry& g, ConstView input,
                                     ConstView grad_output, View grad_weight) {
  visit_compute(input.dtype, "conv2d", [&](auto type) {
    using T = decltype(type);
    if (grad_weight.dtype == DType::Float32) {
      backward_weights(g, input.as<T>(), grad_output.as<T>(), grad_weight.as<float>());
    } else {
      backward_weights(g, input.as<T>(), grad_output.as<T>(), grad_weight.as<T>());
    }
  });
}

void conv2d_backward_bias(ConstView grad_output, View grad_bias) {
  const int64_t outputs = grad_output.size(3);
  const int64_t pixels = grad_output.size(0) * grad_output.size(1) * grad_output.size(2);
  visit_compute(grad_output.dtype, "conv2d", [&](auto type) {
    using T = decltype(type);
    if (grad_bias.dtype == DType::Float32) {
      backward_bias(grad_output.as<T>(), pixels, outputs, grad_bias.as<float>());
    } else {
      backward_bias(grad_output.as<T>(), pixels, outputs, grad_bias.as<T>());
    }
  });
}

}  // namespace kestrel::cpu
