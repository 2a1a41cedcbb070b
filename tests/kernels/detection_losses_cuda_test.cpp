#include <cmath>

#include <kestrel/kernels/box_loss.h>
#include <kestrel/kernels/cross_entropy.h>
#include <kestrel/kernels/focal_loss.h>
#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"
#include "../support/random.h"

/// What the operator cases of the losses do not reach: labels out of range, addresses that are not
/// fit for vectors, NaN, and sizes beyond a warp's share.
namespace kestrel::test {
namespace {

using DetectionLossesCuda = CudaTwin;

Tensor random_labels(int64_t n, int64_t low, int64_t high) {
  Tensor labels = Tensor::empty({n}, DType::Int64);
  Philox random(11);
  for (int64_t i = 0; i < n; ++i) labels.data<int64_t>()[i] = random.integer(low, high);
  return labels;
}

Tensor on_device(const Shape& shape, DType dtype) {
  return Tensor::empty(shape, dtype, Device::cuda(0));
}

std::vector<double> numbers(const Tensor& tensor) {
  const Tensor host = tensor.to(Device::cpu()).to(DType::Float64);
  return {host.data<double>(), host.data<double>() + host.numel()};
}

/// NaN where it is expected, and within a relative tolerance of what is.
void expect_near(const Tensor& got, const Tensor& want, double tolerance) {
  const std::vector<double> a = numbers(got), b = numbers(want);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(b[i])) {
      ASSERT_TRUE(std::isnan(a[i])) << i;
    } else {
      ASSERT_NEAR(a[i], b[i], tolerance * (std::abs(b[i]) + 0.1)) << i;
    }
  }
}

/// Exponentials and logarithms of the two differ by some units in the last place.
double tolerance_of(DType dtype) {
  return dtype == DType::Float64 ? 1e-12 : dtype == DType::BFloat16 ? 1e-2 : 2e-5;
}

bool is_nan(const Tensor& tensor, int64_t i) {
  return std::isnan(numbers(tensor)[static_cast<size_t>(i)]);
}

TEST_F(DetectionLossesCuda, FocalLossIsTheCpus) {
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16}) {
    const DType wide = dtype == DType::Float64 ? DType::Float64 : DType::Float32;
    for (const Shape& shape : {Shape{0, 4}, Shape{1, 1}, Shape{7, 5}, Shape{301, 80}, Shape{99, 81},
                               Shape{5000, 1}, Shape{2, 3000}}) {
      for (const int64_t shift : {0, 1}) {
        SCOPED_TRACE(::testing::Message() << dtype << shape << " shifted by " << shift);
        const Tensor logits = random_normal(shape, dtype, 1, 0, 3);
        const Tensor labels = random_labels(shape[0], -1, shape[1] + 1);
        const Tensor weights = random_normal({shape[0]}, wide, 2, 0, 3);
        const FocalLossParams params{.gamma = shift ? 1.5 : 2, .scale = 0.3};
        Tensor loss = Tensor::empty({}, wide), grad = Tensor::empty(shape, dtype);
        cpu::focal_loss(logits.view(), labels.view(), weights.view(), params, {}, loss.view(),
                        grad.view());
        Tensor got = on_device({}, wide);
        const Tensor got_grad = upload(grad, shift);
        gpu::focal_loss(upload(logits, shift).view(), upload(labels).view(), upload(weights).view(),
                        params, {}, got.view(), Tensor(got_grad).view(), stream());
        expect_near(got, loss, tolerance_of(wide));
        expect_near(got_grad, grad, tolerance_of(dtype));
      }
    }
  }
}

TEST_F(DetectionLossesCuda, RowsThatDoNotCountMayHoldAnything) {
  const Tensor logits = Tensor::full({3, 4}, kNan);
  const Tensor labels = Tensor::from<int64_t>({-1, 2, 4}, {3});
  const Tensor weights = Tensor::from<float>({1, 0, 0}, {3});
  Tensor loss = on_device({}, DType::Float32), grad = on_device({3, 4}, DType::Float32);
  gpu::focal_loss(upload(logits).view(), upload(labels).view(), upload(weights).view(), {}, {},
                  loss.view(), grad.view(), stream());
  expect_same_bits(loss, Tensor::zeros({}));
  expect_same_bits(grad, Tensor::zeros({3, 4}));

  const Tensor boxes = Tensor::full({3, 4}, kNan);
  grad = on_device({3, 4}, DType::Float32);
  gpu::box_loss(upload(boxes).view(), upload(boxes).view(), upload(Tensor::zeros({3})).view(),
                {.kind = BoxLossKind::GIoU}, {}, loss.view(), grad.view(), stream());
  expect_same_bits(loss, Tensor::zeros({}));
  expect_same_bits(grad, Tensor::zeros({3, 4}));
}

TEST_F(DetectionLossesCuda, ALabelOutOfRangeMakesItsRowNaN) {
  const Tensor logits = upload(random_normal({3, 5}, DType::Float32, 3, 0, 3));
  const Tensor labels = upload(Tensor::from<int64_t>({2, 7, -4}, {3}));
  const Tensor one = upload(Tensor::full({1}, 1));
  Tensor losses = on_device({3}, DType::Float32), lse = on_device({3}, DType::Float32);
  Tensor grad = on_device({3, 5}, DType::Float32), pairs = on_device({3, 5}, DType::Float32);

  gpu::softmax_cross_entropy_forward(logits.view(), labels.view(), {}, {}, -100, losses.view(),
                                     lse.view(), stream());
  gpu::softmax_cross_entropy_backward(logits.view(), labels.view(), {}, {}, lse.view(), one.view(),
                                      1, -100, grad.view(), stream());
  for (int64_t row = 0; row < 3; ++row) {
    EXPECT_EQ(is_nan(losses, row), row > 0);
    EXPECT_FALSE(is_nan(lse, row));
    EXPECT_EQ(is_nan(grad, row * 5 + 3), row > 0);
  }
  gpu::binary_cross_entropy_forward(logits.view(), labels.view(), {}, {}, -100, pairs.view(),
                                    stream());
  gpu::binary_cross_entropy_backward(logits.view(), labels.view(), {}, {}, one.view(), 1, -100,
                                     grad.view(), stream());
  for (int64_t row = 0; row < 3; ++row) {
    EXPECT_EQ(is_nan(pairs, row * 5 + 4), row > 0);
    EXPECT_EQ(is_nan(grad, row * 5 + 4), row > 0);
  }
  Tensor loss = on_device({}, DType::Float32);
  gpu::focal_loss(logits.view(), labels.view(), {}, {}, {}, loss.view(), grad.view(), stream());
  EXPECT_TRUE(is_nan(loss, 0));
  for (int64_t row = 0; row < 3; ++row) EXPECT_EQ(is_nan(grad, row * 5), row > 0);
}

TEST_F(DetectionLossesCuda, CrossEntropyIsTheCpus) {
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16}) {
    const DType wide = dtype == DType::Float64 ? DType::Float64 : DType::Float32;
    for (const Shape& shape :
         {Shape{0, 3}, Shape{1, 1}, Shape{65, 2}, Shape{33, 16}, Shape{70, 81}, Shape{3, 1204}}) {
      for (const int64_t shift : {0, 1}) {
        SCOPED_TRACE(::testing::Message() << dtype << shape << " shifted by " << shift);
        const int64_t n = shape[0];
        const Tensor logits = random_normal(shape, dtype, 4, 0, 3);
        const Tensor labels = random_labels(n, 0, shape[1]);
        const Tensor class_weight = random_normal({shape[1]}, wide, 5, 0, 3),
                     weight = random_normal({n}, wide, 6, 0, 3);
        const Tensor gradient = random_normal({n}, wide, 7, 0, 3);
        Tensor losses = Tensor::empty({n}, wide), lse = Tensor::empty({n}, wide);
        Tensor grad = Tensor::empty(shape, dtype);
        cpu::softmax_cross_entropy_forward(logits.view(), labels.view(), class_weight.view(),
                                           weight.view(), 1, losses.view(), lse.view());
        cpu::softmax_cross_entropy_backward(logits.view(), labels.view(), class_weight.view(),
                                            weight.view(), lse.view(), gradient.view(), 0.5, 1,
                                            grad.view());
        const Tensor x = upload(logits, shift), y = upload(labels);
        const Tensor c = upload(class_weight), w = upload(weight), g = upload(gradient);
        Tensor got = on_device({n}, wide), got_lse = on_device({n}, wide);
        Tensor got_grad = on_device(shape, dtype);
        gpu::softmax_cross_entropy_forward(x.view(), y.view(), c.view(), w.view(), 1, got.view(),
                                           got_lse.view(), stream());
        gpu::softmax_cross_entropy_backward(x.view(), y.view(), c.view(), w.view(), got_lse.view(),
                                            g.view(), 0.5, 1, got_grad.view(), stream());
        expect_near(got, losses, tolerance_of(wide));
        expect_near(got_lse, lse, tolerance_of(wide));
        expect_near(got_grad, grad, tolerance_of(dtype));
      }
    }
  }
}

TEST_F(DetectionLossesCuda, SumsDependOnNeitherBlockNorSchedule) {
  const Tensor logits = upload(random_normal({500, 9}, DType::Float32, 8, 0, 3));
  const Tensor labels = upload(random_labels(500, -1, 10));
  const Tensor boxes = upload(random_normal({900, 4}, DType::Float32, 9, 0, 3));
  const Tensor targets = upload(random_normal({900, 4}, DType::Float32, 10, 0, 3));
  Tensor focal, l1;
  for_each_setting([&] {
    Tensor loss = on_device({}, DType::Float32);
    gpu::focal_loss(logits.view(), labels.view(), {}, {}, {}, loss.view(), {}, stream());
    if (!focal) focal = loss.to(Device::cpu());
    expect_same_bits(loss, focal);
    loss = on_device({}, DType::Float32);
    gpu::box_loss(boxes.view(), targets.view(), {}, {}, {}, loss.view(), {}, stream());
    if (!l1) l1 = loss.to(Device::cpu());
    expect_same_bits(loss, l1);
  });
}

}  // namespace
}  // namespace kestrel::test
