#include <kestrel/kernels/cpu/conv2d_groups.h>

#include <algorithm>
#include <cstring>

#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Channels of a group that fill the lanes of a matrix product.
constexpr int64_t kWide = 16;

/// Channels whose sums stay in registers.
constexpr int64_t kBlock = 32;

/// Output rows whose products are summed before they are added to the others'.
constexpr int64_t kRows = 8;

/// (kh * kw, C), in the type of the sums.
template <class T>
std::vector<Accumulate<T>> by_tap(const Conv2dGeometry& g, const T* weight) {
  const int64_t taps = g.kernel_h * g.kernel_w;
  std::vector<Accumulate<T>> result(static_cast<size_t>(taps * g.channels));
  for (int64_t c = 0; c < g.channels; ++c) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      result[static_cast<size_t>(tap * g.channels + c)] =
          static_cast<Accumulate<T>>(weight[c * taps + tap]);
    }
  }
  return result;
}

/// Calls f(first, count) over blocks of channels; the count is a constant for all but the last.
template <class F>
void each_block(int64_t channels, F f) {
  int64_t first = 0;
  for (; first + kBlock <= channels; first += kBlock) {
    f(first, std::integral_constant<int64_t, kBlock>{});
  }
  if (first < channels) f(first, channels - first);
}

/// Taps of one output row or column that are on the map: [begin, end).
struct Taps {
  int64_t begin, end;
};

Taps taps_at(int64_t out, int64_t stride, int64_t pad, int64_t dilation, int64_t kernel,
             int64_t size) {
  const int64_t first = out * stride - pad;
  const int64_t begin = first >= 0 ? 0 : (-first + dilation - 1) / dilation;
  const int64_t end = first >= size ? 0 : (size - 1 - first) / dilation + 1;
  return {std::min(begin, kernel), std::clamp<int64_t>(end, 0, kernel)};
}

template <class T>
void forward(const Conv2dGeometry& g, const T* input, const T* weight, ConstView bias,
             const T* residual, T* output, bool relu) {
  using A = Accumulate<T>;
  const std::vector<A> weights = by_tap(g, weight);
  std::vector<A> start(static_cast<size_t>(g.channels));
  for (int64_t c = 0; c < g.channels; ++c) {
    start[static_cast<size_t>(c)] = optional_at<A>(bias, c);
  }
  parallel_for(g.batch * g.out_h, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t oy = row % g.out_h;
      const T* image = input + row / g.out_h * g.height * g.width * g.channels;
      const Taps ys = taps_at(oy, g.stride_h, g.pad_h, g.dilation_h, g.kernel_h, g.height);
      for (int64_t ox = 0; ox < g.out_w; ++ox) {
        const Taps xs = taps_at(ox, g.stride_w, g.pad_w, g.dilation_w, g.kernel_w, g.width);
        const int64_t at = (row * g.out_w + ox) * g.channels;
        each_block(g.channels, [&](int64_t first, auto count) {
          A sum[kBlock];
          for (int64_t c = 0; c < count; ++c) sum[c] = start[static_cast<size_t>(first + c)];
          for (int64_t ky = ys.begin; ky < ys.end; ++ky) {
            const int64_t y = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
            for (int64_t kx = xs.begin; kx < xs.end; ++kx) {
              const int64_t x = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
              const T* pixel = image + (y * g.width + x) * g.channels + first;
              const A* w = weights.data() + (ky * g.kernel_w + kx) * g.channels + first;
              for (int64_t c = 0; c < count; ++c) sum[c] += w[c] * static_cast<A>(pixel[c]);
            }
          }
          for (int64_t c = 0; c < count; ++c) {
            if (residual) sum[c] += static_cast<A>(residual[at + first + c]);
            if (relu && sum[c] < A{0}) sum[c] = A{0};
            output[at + first + c] = static_cast<T>(sum[c]);
          }
        });
      }
    }
  });
}

/// A tap and the output that reads an input through it.
struct Reader {
  int64_t tap, out;
};

/// Those of an input row or column.
void find_readers(int64_t in, int64_t stride, int64_t pad, int64_t dilation, int64_t kernel,
                  int64_t size, std::vector<Reader>& readers) {
  readers.clear();
  for (int64_t tap = 0; tap < kernel; ++tap) {
    const int64_t place = in + pad - tap * dilation;
    if (place >= 0 && place % stride == 0 && place / stride < size) {
      readers.push_back({tap, place / stride});
    }
  }
}

template <class T>
void backward_data(const Conv2dGeometry& g, const T* grad_output, const T* weight, T* grad_input) {
  using A = Accumulate<T>;
  const std::vector<A> weights = by_tap(g, weight);
  parallel_for(g.batch * g.height, 4, [&](int64_t begin, int64_t end) {
    std::vector<Reader> ys, xs;
    for (int64_t row = begin; row < end; ++row) {
      find_readers(row % g.height, g.stride_h, g.pad_h, g.dilation_h, g.kernel_h, g.out_h, ys);
      const T* image = grad_output + row / g.height * g.out_h * g.out_w * g.channels;
      for (int64_t x = 0; x < g.width; ++x) {
        find_readers(x, g.stride_w, g.pad_w, g.dilation_w, g.kernel_w, g.out_w, xs);
        T* to = grad_input + (row * g.width + x) * g.channels;
        each_block(g.channels, [&](int64_t first, auto count) {
          A sum[kBlock] = {};
          for (const auto [ky, oy] : ys) {
            for (const auto [kx, ox] : xs) {
              const T* pixel = image + (oy * g.out_w + ox) * g.channels + first;
              const A* w = weights.data() + (ky * g.kernel_w + kx) * g.channels + first;
              for (int64_t c = 0; c < count; ++c) sum[c] += w[c] * static_cast<A>(pixel[c]);
            }
          }
          for (int64_t c = 0; c < count; ++c) to[first + c] = static_cast<T>(sum[c]);
        });
      }
    }
  });
}

template <class T, class W>
void backward_weights(const Conv2dGeometry& g, const T* input, const T* grad_output,
                      W* grad_weight) {
  using A = Accumulate<T>;
  const int64_t taps = g.kernel_h * g.kernel_w, size = taps * g.channels;
  const int64_t rows = g.batch * g.out_h, parts = (rows + kRows - 1) / kRows;
  std::vector<A> sums(static_cast<size_t>(parts * size));
  parallel_for(rows, kRows, [&](int64_t begin, int64_t end) {
    A* part = sums.data() + begin / kRows * size;
    for (int64_t row = begin; row < end; ++row) {
      const int64_t oy = row % g.out_h;
      const T* image = input + row / g.out_h * g.height * g.width * g.channels;
      const Taps ys = taps_at(oy, g.stride_h, g.pad_h, g.dilation_h, g.kernel_h, g.height);
      for (int64_t ox = 0; ox < g.out_w; ++ox) {
        const Taps xs = taps_at(ox, g.stride_w, g.pad_w, g.dilation_w, g.kernel_w, g.width);
        const T* grad = grad_output + (row * g.out_w + ox) * g.channels;
        for (int64_t ky = ys.begin; ky < ys.end; ++ky) {
          const int64_t y = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
          for (int64_t kx = xs.begin; kx < xs.end; ++kx) {
            const int64_t x = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
            const T* pixel = image + (y * g.width + x) * g.channels;
            A* sum = part + (ky * g.kernel_w + kx) * g.channels;
            for (int64_t c = 0; c < g.channels; ++c) {
              sum[c] += static_cast<A>(grad[c]) * static_cast<A>(pixel[c]);
            }
          }
        }
      }
    }
  });
  for (int64_t c = 0; c < g.channels; ++c) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      A total{0};
      for (int64_t p = 0; p < parts; ++p) {
        total += sums[static_cast<size_t>(p * size + tap * g.channels + c)];
      }
      grad_weight[c * taps + tap] = static_cast<W>(total);
    }
  }
}

/// Calls f(row of the weight, first element of the row in the joined weight, in the weight), in
/// elements.
template <class F>
void each_row(const Conv2dGeometry& g, const Conv2dGeometry& joined, F f) {
  const int64_t taps = g.kernel_h * g.kernel_w;
  for (int64_t o = 0; o < g.outputs; ++o) {
    const int64_t place = o / g.group_o % (g.groups / joined.groups) * g.group_c;
    for (int64_t tap = 0; tap < taps; ++tap) {
      f((o * taps + tap) * joined.group_c + place, (o * taps + tap) * g.group_c);
    }
  }
}

}  // namespace

bool is_depthwise(const Conv2dGeometry& g) {
  return g.group_c == 1 && g.group_o == 1;
}

void conv2d_forward_depthwise(const Conv2dGeometry& g, ConstView input, ConstView weight,
                              ConstView bias, ConstView residual, View output, bool relu) {
  visit_compute(input.dtype, "conv2d", [&]<class T>(T) {
    forward<T>(g, input.as<T>(), weight.as<T>(), bias, residual ? residual.as<T>() : nullptr,
               output.as<T>(), relu);
  });
}

void conv2d_backward_data_depthwise(const Conv2dGeometry& g, ConstView grad_output,
                                    ConstView weight, View grad_input) {
  visit_compute(grad_output.dtype, "conv2d", [&]<class T>(T) {
    backward_data<T>(g, grad_output.as<T>(), weight.as<T>(), grad_input.as<T>());
  });
}

void conv2d_backward_weights_depthwise(const Conv2dGeometry& g, ConstView input,
                                       ConstView grad_output, View grad_weight) {
  visit_compute(input.dtype, "conv2d", [&]<class T>(T) {
    if (grad_weight.dtype == DType::Float32) {
      backward_weights(g, input.as<T>(), grad_output.as<T>(), grad_weight.as<float>());
    } else {
      backward_weights(g, input.as<T>(), grad_output.as<T>(), grad_weight.as<T>());
    }
  });
}

JoinedGroups::JoinedGroups(const Conv2dGeometry& g) : g_(g), joined_(g) {
  int64_t factor = 1;
  while (factor < g.groups &&
         (g.groups % factor != 0 || factor * g.group_c < kWide || factor * g.group_o < kWide)) {
    ++factor;
  }
  joined_.groups /= factor;
  joined_.group_c *= factor;
  joined_.group_o *= factor;
}

View JoinedGroups::view(DType dtype) {
  const Shape shape{joined_.outputs, joined_.kernel_h, joined_.kernel_w, joined_.group_c};
  storage_.resize(static_cast<size_t>(shape.numel() * size_of(dtype)));
  return {storage_.data(), dtype, shape};
}

ConstView JoinedGroups::join(ConstView weight) {
  if (factor() == 1) return weight;
  const View result = view(weight.dtype);
  const auto element = static_cast<size_t>(size_of(weight.dtype));
  const auto* from = static_cast<const std::byte*>(weight.data);
  each_row(g_, joined_, [&](int64_t to, int64_t at) {
    std::memcpy(storage_.data() + static_cast<size_t>(to) * element,
                from + static_cast<size_t>(at) * element,
                static_cast<size_t>(g_.group_c) * element);
  });
  return result;
}

View JoinedGroups::room(DType dtype) {
  return view(dtype);
}

void JoinedGroups::take(View grad_weight) const {
  const auto element = static_cast<size_t>(size_of(grad_weight.dtype));
  auto* result = static_cast<std::byte*>(grad_weight.data);
  each_row(g_, joined_, [&](int64_t from, int64_t at) {
    std::memcpy(result + static_cast<size_t>(at) * element,
                storage_.data() + static_cast<size_t>(from) * element,
                static_cast<size_t>(g_.group_c) * element);
  });
}

}  // namespace kestrel::cpu
