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
  const Tensor x = normal({s["n"], s["h"], s["w"], s["c"]}, s.dtype, device);
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
  Tensor grad_x = Tensor::empty({s["n"], s["h"], s["w"], s["c"]}, s.dtype, device);
  const RoiAlignParams params{.spatial_scale = 1.0 / kStride};
  return {[=]() mutable {
            run(device, cpu::roi_align_backward, gpu::roi_align_backward, grad_y.view(),
                rois.view(), grad_x.view(), params);
          },
          0, bytes_of({grad_y, grad_x})};
}

Job roi_pool(const Spec& s, Device device) {
  const Tensor x = normal({s["n"], s["h"], s["w"], s["c"]}, s.dtype, device);
  const Tensor rois = regions(s, device);
  Tensor y = Tensor::empty({s["rois"], s["out"], s["out"], s["c"]}, s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::roi_pool_forward, gpu::roi_pool_forward, x.view(), rois.view(),
                1.0 / kStride, y.view(), View{});
          },
          0, bytes_of({y})};
}

Job deform_conv2d(const Spec& s, Device device) {
  const int64_t taps = s["k"] * s["k"];
  const Tensor x = normal({s["n"], s["h"], s["w"], s["c"]}, s.dtype, device);
  const Tensor offset = normal({s["n"], s["h"], s["w"], 2 * taps}, DType::Float32, device);
  const Tensor mask = Tensor::full({s["n"], s["h"], s["w"], taps}, 0.5, DType::Float32, device);
  const Tensor weight = normal({s["o"], s["k"], s["k"], s["c"]}, s.dtype, device, 0, 0.05);
  Tensor y = Tensor::empty({s["n"], s["h"], s["w"], s["o"]}, s.dtype, device);
  DeformConv2dParams params;
  params.pad_h = params.pad_w = s["k"] / 2;
  return {[=]() mutable {
            run(device, cpu::deform_conv2d_forward, gpu::deform_conv2d_forward, x.view(),
                offset.view(), mask.view(), weight.view(), ConstView{}, y.view(), params);
          },
          2.0 * static_cast<double>(y.numel() * taps * s["c"]),
          bytes_of({x, offset, mask, weight, y})};
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
          {"deform_conv2d", deform_conv2d},
          {"box_iou", box_iou}};
}

}  // namespace kestrel::bench
