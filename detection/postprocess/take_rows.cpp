#include <kestrel/detection/postprocess/take_rows.h>

#include <kestrel/kernels/rows.h>

namespace kestrel {

Tensor take_rows(const Tensor& source, const Tensor& rows) {
  Shape shape = source.shape();
  shape[0] = rows.size(0);
  Tensor result = Tensor::empty(shape, source.dtype(), source.device());
  run(source.device(), cpu::gather_rows, gpu::gather_rows, source.view(), rows.view(),
      result.view());
  return result;
}

}  // namespace kestrel
