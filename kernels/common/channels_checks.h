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

/// Calls f(T{}, C{}) with the types of a map and of its channel values.
template <class F>
void visit_map(const char* op, DType map, DType channels, F&& f) {
  visit_compute(map, op, [&]<class T>(T) {
    if (channels == map) {
      f(T{}, T{});
    } else {
      KESTREL_CHECK(map == DType::BFloat16 && channels == DType::Float32, "[", op, "] ", channels,
                    " channel values for a ", map, " map");
      f(T{}, float{});
    }
  });
}

}  // namespace kestrel
