#include <kestrel/autograd/functions/upsample.h>

#include <kestrel/kernels/upsample.h>

namespace kestrel::autograd {
namespace {

Tensor make_output(const char* op, const Variable& x, int64_t height, int64_t width) {
  KESTREL_CHECK(x.shape().dims() == 4, "[", op, "] x must be (N, H, W, C), got ", x.shape());
  return Tensor::empty({x.size(0), height, width, x.size(3)}, x.dtype(), x.device());
}

Tensor nearest_backward(const Tensor& grad, const Shape& shape) {
  Tensor grad_x = Tensor::empty(shape, grad.dtype(), grad.device());
  run(grad.device(), cpu::upsample_nearest_backward, gpu::upsample_nearest_backward, grad.view(),
      grad_x.view());
  return grad_x;
}

}  // namespace

Variable upsample_nearest(const Variable& x, int64_t height, int64_t width) {
  Tensor y = make_output("upsample_nearest", x, height, width);
  run(x.device(), cpu::upsample_nearest_forward, gpu::upsample_nearest_forward, x.view(),
      ConstView{}, y.view());
  return record("upsample_nearest", {x}, std::move(y),
                [shape = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
                  return std::vector<Tensor>{nearest_backward(grads[0], shape)};
                });
}

Variable upsample_nearest_add(const Variable& top, const Variable& lateral) {
  KESTREL_CHECK(lateral.shape().dims() == 4,
                "[upsample_nearest_add] lateral must be (N, H, W, C), got ", lateral.shape());
  Tensor y = make_output("upsample_nearest_add", top, lateral.size(1), lateral.size(2));
  run(top.device(), cpu::upsample_nearest_forward, gpu::upsample_nearest_forward, top.view(),
      lateral.view(), y.view());
  return record("upsample_nearest_add", {top, lateral}, std::move(y),
                [shape = top.shape()](std::span<Tensor> grads, const NeedsGrad& needs) {
                  std::vector<Tensor> result(2);
                  if (needs[0]) result[0] = nearest_backward(grads[0], shape);
                  if (needs[1]) result[1] = grads[0];
                  return result;
                });
}

Variable upsample_bilinear(const Variable& x, int64_t height, int64_t width, bool align_corners) {
  Tensor y = make_output("upsample_bilinear", x, height, width);
  run(x.device(), cpu::upsample_bilinear_forward, gpu::upsample_bilinear_forward, x.view(),
      align_corners, y.view());
  return record("upsample_bilinear", {x}, std::move(y),
                [shape = x.shape(), align_corners](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad_x = Tensor::empty(shape, grads[0].dtype(), grads[0].device());
                  run(grad_x.device(), cpu::upsample_bilinear_backward,
                      gpu::upsample_bilinear_backward, grads[0].cview(), align_corners,
                      grad_x.view());
                  return std::vector<Tensor>{grad_x};
                });
}

}  // namespace kestrel::autograd
