#include <kestrel/autograd/functions/roi_pool.h>

#include <kestrel/kernels/roi_pool.h>

namespace kestrel::autograd {

Variable roi_pool(const Variable& x, const Tensor& rois, const RoiPoolOptions& options) {
  KESTREL_CHECK(x.shape().dims() == 4, "[roi_pool] x must be (N, H, W, C), got ", x.shape());
  KESTREL_CHECK(rois.dims() == 2 && rois.size(1) == 5, "[roi_pool] rois must be (K, 5), got ",
                rois.shape());
  KESTREL_CHECK(options.output_height > 0 && options.output_width > 0,
                "[roi_pool] the output size must be above 0, got ", options.output_height, " x ",
                options.output_width);
  check_same_device("roi_pool", x.data(), rois);
  Tensor y = Tensor::empty({rois.size(0), options.output_height, options.output_width, x.size(3)},
                           x.dtype(), x.device());
  Tensor which;
  if (wants_grad({&x})) which = Tensor::empty(y.shape(), DType::Int32, y.device());
  const double spatial_scale = options.spatial_scale;
  run(x.device(), cpu::roi_pool_forward, gpu::roi_pool_forward, x.view(), rois.view(),
      spatial_scale, y.view(), which.view());
  return record(
      "roi_pool", {x}, std::move(y),
      [rois, which, spatial_scale, shape = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
        Tensor grad_x = Tensor::empty(shape, grads[0].dtype(), grads[0].device());
        run(grad_x.device(), cpu::roi_pool_backward, gpu::roi_pool_backward, grads[0].cview(),
            which.cview(), rois.view(), spatial_scale, grad_x.view());
        return std::vector<Tensor>{grad_x};
      });
}

}  // namespace kestrel::autograd
