#include <kestrel/autograd/functions/roi_align.h>

#include <kestrel/kernels/roi_align.h>

namespace kestrel::autograd {

Variable roi_align(const Variable& x, const Tensor& rois, const RoiAlignOptions& options) {
  KESTREL_CHECK(x.shape().dims() == 4, "[roi_align] x must be (N, H, W, C), got ", x.shape());
  KESTREL_CHECK(rois.dims() == 2 && rois.size(1) == 5, "[roi_align] rois must be (K, 5), got ",
                rois.shape());
  KESTREL_CHECK(options.output_height > 0 && options.output_width > 0,
                "[roi_align] the output size must be above 0, got ", options.output_height, " x ",
                options.output_width);
  check_same_device("roi_align", x.data(), rois);
  Tensor y = Tensor::empty({rois.size(0), options.output_height, options.output_width, x.size(3)},
                           x.dtype(), x.device());
  const RoiAlignParams params{options.spatial_scale, options.sampling_ratio, options.aligned};
  run(x.device(), cpu::roi_align_forward, gpu::roi_align_forward, x.view(), rois.view(), y.view(),
      params);
  return record("roi_align", {x}, std::move(y),
                [rois, params, shape = x.shape()](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad_x = Tensor::empty(shape, grads[0].dtype(), grads[0].device());
                  run(grad_x.device(), cpu::roi_align_backward, gpu::roi_align_backward,
                      grads[0].cview(), rois.view(), grad_x.view(), params);
                  return std::vector<Tensor>{grad_x};
                });
}

}  // namespace kestrel::autograd
