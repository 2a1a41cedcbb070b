#pragma once

#include <kestrel/kernels/common/conv2d_checks.h>
#include <kestrel/kernels/cuda/epilogue.h>

/// Convolutions whose groups have one input channel each: too thin for matrix products, and bound
/// by memory.
namespace kestrel::gpu {

inline bool is_depthwise(const Conv2dGeometry& g) {
  return g.groups > 1 && g.group_c == 1;
}

template <class T>
void depthwise_forward(const Conv2dGeometry& g, const T* input, const T* weight,
                       const Epilogue<T>& epilogue, Stream stream);
template <class T>
void depthwise_backward_data(const Conv2dGeometry& g, const T* grad_output, const T* weight,
                             const Epilogue<T>& epilogue, Stream stream);
template <class T>
void depthwise_backward_weights(const Conv2dGeometry& g, const T* input, const T* grad_output,
                                const Epilogue<T>& epilogue, Stream stream);

}  // namespace kestrel::gpu
