// Regions of interest, deformable convolution, box matrices.

#include <kestrel/kernels/box_iou.h>
#include <kestrel/kernels/deform_conv2d.h>
#include <kestrel/kernels/roi_align.h>
#include <kestrel/kernels/roi_pool.h>

#include "job.h"

namespace kestrel::bench {
namespace {

constexpr int64_t kStride = 4;  // Of the map that regions are taken from.

/// (count, 5) rows of image 0 and a box of 16 to 400 pixels.
Tensor regions(const Spec& s, Device device) {
  const Tensor plain = boxes(s["rois"], static_cast<double>(s["h"] * kStride),
                             static_cast<double>(s["w"] * kStride), 400, Device::cpu());
  Tensor rows = Tensor::zeros({s["rois"], 5});
  for (int64_t i = 0; i < s["rois"]; ++i) {
    std::copy_n(plain.data<float>() + i * 4, 4, rows.data<float>() + i * 5 + 1);
  }
  return rows.to(device);
}

Job roi_align(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  const Tensor rois = regions(s, device);
  Tensor y = Tensor::empty({s["rois"], s["out"], s["out"], s["c"]}, s.dtype, device);
  const RoiAlignParams params{.spatial_scale = 1.0 / kStride};
  return {[=]() mutable {
            run(device, cpu::roi_align_forward, gpu::roi_align_forward, x.view(), rois.view(),
                y.view(), params);
          },
          0, bytes_of({y})};
}

Job roi_align_backward(const Spec& s, Device device) {
  const Tensor grad_y = normal({s["rois"], s["out"], s["out"], s["c"]}, s.dtype, device);
  const Tensor rois = regions(s, device);
  Tensor grad_x = Tensor::empty(map_of(s), s.dtype, device);
  const RoiAlignParams params{.spatial_scale = 1.0 / kStride};
  return {[=]() mutable {
            run(device, cpu::roi_align_backward, gpu::roi_align_backward, grad_y.view(),
                rois.view(), grad_x.view(), params);
          },
          0, bytes_of({grad_y, grad_x})};
}

Job roi_pool(const Spec& s, Device device) {
  const Tensor x = normal(map_of(s), s.dtype, device);
  const Tensor rois = regions(s, device);
  Tensor y = Tensor::empty({s["rois"], s["out"], s["out"], s["c"]}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::roi_pool_forward, gpu::roi_pool_forward, x.view(), rois.view(),
                1.0 / kStride, y.view(), View{});
          },
          0, bytes_of({y})};
}

Job roi_pool_backward(const Spec& s, Device device) {
  Tensor x = normal(map_of(s), s.dtype, device);
  const Tensor rois = regions(s, device);
  Tensor y = Tensor::empty({s["rois"], s["out"], s["out"], s["c"]}, s.dtype, device);
  Tensor which = Tensor::empty(y.shape(), DType::Int32, device);
  run(device, cpu::roi_pool_forward, gpu::roi_pool_forward, x.cview(), rois.view(), 1.0 / kStride,
      y.view(), which.view());
  return {[=]() mutable {
            run(device, cpu::roi_pool_backward, gpu::roi_pool_backward, y.cview(), which.cview(),
                rois.view(), 1.0 / kStride, x.view());
          },
          0, bytes_of({y, which, x})};
}

struct Deformable {
  Tensor x, offset, mask, weight, y;
  DeformConv2dParams params;
  double flops = 0;
};

Deformable deformable(const Spec& s, Device device) {
  const int64_t taps = s["k"] * s["k"];
  Deformable d;
  d.x = normal(map_of(s), s.dtype, device);
  d.offset = normal({s["n"], s["h"], s["w"], 2 * taps}, DType::Float32, device);
  d.mask = Tensor::full({s["n"], s["h"], s["w"], taps}, 0.5, DType::Float32, device);
  d.weight = normal({s["o"], s["k"], s["k"], s["c"]}, s.dtype, device, 0, 0.05);
  d.y = normal({s["n"], s["h"], s["w"], s["o"]}, s.dtype, device);
  d.params.pad_h = d.params.pad_w = s["k"] / 2;
  d.flops = 2.0 * static_cast<double>(d.y.numel() * taps * s["c"]);
  return d;
}

Job deform_conv2d(const Spec& s, Device device) {
  Deformable d = deformable(s, device);
  return {[=]() mutable {
            run(device, cpu::deform_conv2d_forward, gpu::deform_conv2d_forward, d.x.cview(),
                d.offset.cview(), d.mask.cview(), d.weight.cview(), ConstView{}, d.y.view(),
                d.params);
          },
          d.flops, bytes_of({d.x, d.offset, d.mask, d.weight, d.y})};
}

/// All gradients.
Job deform_conv2d_backward(const Spec& s, Device device) {
  const Deformable d = deformable(s, device);
  Tensor grad_x = Tensor::empty_like(d.x);
  Tensor grad_offset = Tensor::empty_like(d.offset);
  Tensor grad_mask = Tensor::empty_like(d.mask);
  Tensor grad_weight = Tensor::empty(d.weight.shape(), DType::Float32, device);
  return {[=]() mutable {
            const DeformConv2dGradients gradients{.input = grad_x.view(),
                                                  .offset = grad_offset.view(),
                                                  .mask = grad_mask.view(),
                                                  .weight = grad_weight.view(),
                                                  .bias = {}};
            run(device, cpu::deform_conv2d_backward, gpu::deform_conv2d_backward, d.x.view(),
                d.offset.view(), d.mask.view(), d.weight.view(), d.y.view(), gradients, d.params);
          },
          2 * d.flops,
          bytes_of(
              {d.x, d.offset, d.mask, d.weight, d.y, grad_x, grad_offset, grad_mask, grad_weight})};
}

Job box_iou(const Spec& s, Device device) {
  const Tensor a = boxes(s["n"], 800, 1344, 400, device);
  const Tensor b = boxes(s["m"], 800, 1344, 400, device);
  Tensor iou = Tensor::empty({s["n"], s["m"]}, DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::box_iou, gpu::box_iou, a.view(), b.view(), BoxIouParams{}, iou.view());
          },
          0, bytes_of({a, b, iou})};
}

}  // namespace

Operators region_operators() {
  return {{"roi_align", roi_align},
          {"roi_align_backward", roi_align_backward},
          {"roi_pool", roi_pool},
          {"roi_pool_backward", roi_pool_backward},
          {"deform_conv2d", deform_conv2d},
          {"deform_conv2d_backward", deform_conv2d_backward},
          {"box_iou", box_iou}};
}

}  // namespace kestrel::bench
