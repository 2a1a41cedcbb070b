#include <kestrel/autograd/functions/pooling.h>

#include <kestrel/kernels/pooling.h>

namespace kestrel::autograd {
namespace {

int64_t pooled_size(const char* op, int64_t size, const Pool2dOptions& o) {
  KESTREL_CHECK(size + 2 * o.pad >= o.kernel, "[", op, "] a window of ", o.kernel,
                " does not fit into ", size, " pixels with padding ", o.pad);
  const int64_t span = size + 2 * o.pad - o.kernel;
  int64_t count = (o.ceil_mode ? (span + o.stride - 1) / o.stride : span / o.stride) + 1;
  if (o.ceil_mode && (count - 1) * o.stride >= size + o.pad) --count;
  return count;
}

Tensor make_output(const char* op, const Variable& x, const Pool2dOptions& o) {
  KESTREL_CHECK(x.shape().dims() == 4, "[", op, "] x must be (N, H, W, C), got ", x.shape());
  KESTREL_CHECK(o.kernel > 0 && o.stride > 0 && o.pad >= 0 && o.pad <= o.kernel / 2, "[", op,
                "] needs kernel > 0, stride > 0 and 0 <= pad <= kernel / 2, got ", o.kernel, ", ",
                o.stride, " and ", o.pad);
  const Shape shape{x.size(0), pooled_size(op, x.size(1), o), pooled_size(op, x.size(2), o),
                    x.size(3)};
  return Tensor::empty(shape, x.dtype(), x.device());
}

}  // namespace

Variable max_pool2d(const Variable& x, const Pool2dOptions& options) {
  Tensor y = make_output("max_pool2d", x, options);
  const Pool2dParams params{options.kernel, options.stride, options.pad};
  Tensor which;
  if (wants_grad({&x})) {
    which = Tensor::empty(y.shape(), options.kernel > 15 ? DType::Int32 : DType::UInt8, y.device());
  }
  run(x.device(), cpu::max_pool2d_forward, gpu::max_pool2d_forward, x.view(), y.view(),
      which.view(), params);
  return record("max_pool2d", {x}, std::move(y),
                [which, params, shape = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad_x = Tensor::empty(shape, grads[0].dtype(), grads[0].device());
                  run(grad_x.device(), cpu::max_pool2d_backward, gpu::max_pool2d_backward,
                      grads[0].cview(), which.view(), grad_x.view(), params);
                  return std::vector<Tensor>{grad_x};
                });
}

Variable avg_pool2d(const Variable& x, const Pool2dOptions& options) {
  Tensor y = make_output("avg_pool2d", x, options);
  const Pool2dParams params{options.kernel, options.stride, options.pad, options.count_include_pad};
  run(x.device(), cpu::avg_pool2d_forward, gpu::avg_pool2d_forward, x.view(), y.view(), params);
  return record("avg_pool2d", {x}, std::move(y),
                [params, shape = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad_x = Tensor::empty(shape, grads[0].dtype(), grads[0].device());
                  run(grad_x.device(), cpu::avg_pool2d_backward, gpu::avg_pool2d_backward,
                      grads[0].cview(), grad_x.view(), params);
                  return std::vector<Tensor>{grad_x};
                });
}

}  // namespace kestrel::autograd
