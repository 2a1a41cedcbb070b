#pragma once

#include <kestrel/kernels/common/channel_map.h>
#include <kestrel/kernels/view.h>

/// What channels.h demands of its operands, checked for every device.
namespace kestrel {

inline ChannelMap check_channels(const char* op, ConstView map, ConstView channels) {
  const int64_t c = channels.numel();
  KESTREL_CHECK(map.shape.dims() > 0 && map.size(-1) == c, "[", op, "] ", c,
                " channel values for a map of shape ", map.shape);
  return {1, c == 0 ? 0 : map.numel() / c, c};
}

/// Calls f(T{}, C{}) with the types of a map, which is of T, and of its channel values.
template <class T, class F>
void visit_channels(const char* op, DType channels, F&& f) {
  if (channels == dtype_of<T>) {
    f(T{}, T{});
  } else {
    KESTREL_CHECK(is_half(dtype_of<T>) && channels == DType::Float32, "[", op, "] ", channels,
                  " channel values for a ", dtype_of<T>, " map");
    f(T{}, float{});
  }
}

template <class F>
void visit_map(const char* op, DType map, DType channels, F&& f) {
  visit_compute(map, op, [&]<class T>(T) { visit_channels<T>(op, channels, f); });
}

}  // namespace kestrel
