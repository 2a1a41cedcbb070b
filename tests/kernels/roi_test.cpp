#include <kestrel/kernels/roi_align.h>
#include <kestrel/kernels/roi_pool.h>

#include <cmath>
#include <limits>

#include "../support/cuda_twin.h"
#include "../support/random.h"

/// What OpCase does not ask of the RoI operators: wrong arguments, image indices that are none, and
/// the same bits on both devices.
namespace kestrel::test {
namespace {

/// In pixels of a map of 12 x 10 of two pictures.
Tensor some_rois() {
  return Tensor::from<float>(
      {0, 1.5f, 2, 8, 9.25f, 1, -3, 0, 4, 20, 1, 0, 0, 10, 12, 0, 5, 5, 6, 6, 1, 2, 8, 9, 3},
      {5, 5});
}

TEST(Roi, RefusesImagesThatThereAreNot) {
  const Tensor x = random_normal({2, 12, 10, 3});
  Tensor y = Tensor::zeros({1, 2, 2, 3}), grad = Tensor::zeros(x.shape());
  Tensor which = Tensor::zeros(y.shape(), DType::Int32);
  for (const float image : {-1.0f, 2.0f, 0.5f, 1e30f, std::numeric_limits<float>::quiet_NaN()}) {
    const Tensor rois = Tensor::from<float>({image, 0, 0, 4, 4}, {1, 5});
    EXPECT_THROW(cpu::roi_align_forward(x.view(), rois.view(), y.view(), {}), Error);
    EXPECT_THROW(cpu::roi_align_backward(y.view(), rois.view(), grad.view(), {}), Error);
    EXPECT_THROW(cpu::roi_pool_forward(x.view(), rois.view(), 1, y.view(), {}), Error);
    EXPECT_THROW(cpu::roi_pool_backward(y.view(), which.view(), rois.view(), 1, grad.view()),
                 Error);
  }
}

TEST(Roi, RefusesWhatDoesNotFit) {
  const Tensor x = random_normal({2, 12, 10, 3}), rois = some_rois();
  Tensor y = Tensor::zeros({5, 2, 2, 3}), few = Tensor::zeros({4, 2, 2, 3});
  const auto align = [&](const Tensor& boxes, Tensor& out, const RoiAlignParams& params) {
    cpu::roi_align_forward(x.view(), boxes.view(), out.view(), params);
  };
  EXPECT_NO_THROW(align(rois, y, {}));
  EXPECT_THROW(align(rois, few, {}), Error);
  EXPECT_THROW(align(rois.to(DType::Float64), y, {}), Error);
  EXPECT_THROW(align(rois, y, {.spatial_scale = 0}), Error);
  EXPECT_THROW(align(rois, y, {.spatial_scale = std::nan("")}), Error);
  EXPECT_THROW(align(rois, y, {.sampling_ratio = -1}), Error);
  const Tensor shifted = Tensor::zeros(y.shape(), DType::Int64);
  EXPECT_THROW(cpu::roi_pool_forward(x.view(), rois.view(), -1, y.view(), {}), Error);
  EXPECT_THROW(cpu::roi_pool_backward(y.view(), shifted.view(), rois.view(), 1, Tensor(x).view()),
               Error);
}

class RoiCuda : public CudaTwin {
 protected:
  /// Forward and backward of both operators give the CPU's bits.
  static void expect_same(int64_t channels, DType dtype, int64_t shift) {
    SCOPED_TRACE(::testing::Message() << channels << " channels, " << dtype << ", shift " << shift);
    const Tensor x = random_normal({2, 12, 10, channels}, dtype), rois = some_rois();
    const Tensor grad = random_normal({5, 7, 7, channels}, dtype);
    const Tensor cuda_x = upload(x, shift), cuda_rois = upload(rois);
    const Tensor cuda_grad = upload(grad, shift);
    Tensor y = Tensor::empty(grad.shape(), dtype), grad_x = Tensor::empty(x.shape(), dtype);
    Tensor which = Tensor::empty(grad.shape(), DType::Int32);
    Tensor cuda_y = upload(y, shift), cuda_grad_x = upload(grad_x, shift);
    Tensor cuda_which = upload(which, shift);
    for (const int64_t ratio : {0, 2}) {
      const RoiAlignParams params{.sampling_ratio = ratio};
      cpu::roi_align_forward(x.view(), rois.view(), y.view(), params);
      gpu::roi_align_forward(cuda_x.view(), cuda_rois.view(), cuda_y.view(), params, stream());
      expect_same_bits(cuda_y, y);
      cpu::roi_align_backward(grad.view(), rois.view(), grad_x.view(), params);
      gpu::roi_align_backward(cuda_grad.view(), cuda_rois.view(), cuda_grad_x.view(), params,
                              stream());
      expect_same_bits(cuda_grad_x, grad_x);
    }
    cpu::roi_pool_forward(x.view(), rois.view(), 1, y.view(), which.view());
    gpu::roi_pool_forward(cuda_x.view(), cuda_rois.view(), 1, cuda_y.view(), cuda_which.view(),
                          stream());
    expect_same_bits(cuda_y, y);
    expect_same_bits(cuda_which, which);
    cpu::roi_pool_backward(grad.view(), which.view(), rois.view(), 1, grad_x.view());
    gpu::roi_pool_backward(cuda_grad.view(), cuda_which.view(), cuda_rois.view(), 1,
                           cuda_grad_x.view(), stream());
    expect_same_bits(cuda_grad_x, grad_x);
  }
};

TEST_F(RoiCuda, AgreesWithTheCpuToTheBit) {
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16}) {
    for (const int64_t channels : {1, 5, 64}) expect_same(channels, dtype, 0);
    expect_same(64, dtype, 1);
  }
  expect_same(260, DType::Float32, 0);
}

TEST_F(RoiCuda, DoesNotDependOnBlockOrSchedule) {
  for_each_setting([] { expect_same(20, DType::Float32, 0); });
}

TEST_F(RoiCuda, GivesNanForImagesThatThereAreNot) {
  const Tensor x = upload(random_normal({2, 4, 4, 3}));
  const Tensor rois = upload(Tensor::from<float>(
      {2, 0, 0, 4, 4, 1, 0, 0, 4, 4, -1, 0, 0, 4, 4, 0.5f, 0, 0, 4, 4}, {4, 5}));
  Tensor y = upload(Tensor::zeros({4, 2, 2, 3})), grad = upload(Tensor::zeros(x.shape()));
  Tensor which = upload(Tensor::zeros(y.shape(), DType::Int32));
  const auto expect_nan = [&] {
    const Tensor host = y.to(Device::cpu());
    for (int64_t i = 0; i < host.numel(); ++i) {
      EXPECT_EQ(std::isnan(host.data<float>()[i]), i / 12 != 1) << i;
    }
  };
  const auto expect_gradient_of_one = [&] {
    const Tensor host = grad.to(Device::cpu());
    double total = 0;
    for (const float v : host.values<float>()) total += static_cast<double>(v);
    EXPECT_NEAR(total, 12, 1e-4);
  };
  const Tensor ones = upload(Tensor::full(y.shape(), 1));
  gpu::roi_align_forward(x.view(), rois.view(), y.view(), {}, stream());
  expect_nan();
  gpu::roi_align_backward(ones.view(), rois.view(), grad.view(), {}, stream());
  expect_gradient_of_one();
  gpu::roi_pool_forward(x.view(), rois.view(), 1, y.view(), which.view(), stream());
  expect_nan();
  gpu::roi_pool_backward(ones.view(), which.view(), rois.view(), 1, grad.view(), stream());
  expect_gradient_of_one();
}

}  // namespace
}  // namespace kestrel::test
