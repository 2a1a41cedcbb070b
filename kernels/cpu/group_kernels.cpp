#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <kestrel/kernels/cpu/group_kernels.cpp>
#include <kestrel/kernels/cpu/simd_targets.h>

#include <hwy/foreach_target.h>

#include <kestrel/kernels/cpu/group_kernels.h>
#include <kestrel/kernels/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {
namespace {

template <class D, int kPixels, int kVectors, int kStep>
HWY_NOINLINE void GroupPixels(const GroupTile& tile, const float* HWY_RESTRICT input, float* sums) {
  constexpr int kUnrolled = 4;  // channels
  constexpr int64_t kWidth = hn::MaxLanes(D());
  const D d;
  hn::Vec<D> sum[kPixels][kVectors];
#pragma GCC unroll 12
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[p][v] = hn::Zero(d);
  }
  const float* HWY_RESTRICT weights = tile.weights;
  for (int64_t ky = 0; ky < tile.kernel_h; ++ky) {
    for (int64_t kx = 0; kx < tile.kernel_w; ++kx) {
      const float* tap = input + ky * tile.row_stride + kx * tile.tap_stride;
      for (int64_t c = 0; c < tile.channels; c += kUnrolled) {
        const float* HWY_RESTRICT left =
            tap + c / kGroupBlock * tile.block_stride + c % kGroupBlock;
#pragma GCC unroll 4
        for (int u = 0; u < kUnrolled; ++u) {
          hn::Vec<D> right[kVectors];
#pragma GCC unroll 2
          for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, weights + v * kWidth);
          weights += kVectors * kWidth;
#pragma GCC unroll 12
          for (int p = 0; p < kPixels; ++p) {
            const auto value = hn::Set(d, left[p * kStep * kGroupBlock + u]);
#pragma GCC unroll 2
            for (int v = 0; v < kVectors; ++v) sum[p][v] = hn::MulAdd(value, right[v], sum[p][v]);
          }
        }
      }
    }
  }
#pragma GCC unroll 12
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[p][v], d, sums + p * tile.sum_stride + v * kWidth);
    }
  }
}

template <class D, int kVectors, int kStep>
void GroupSteps(const GroupTile& tile, int64_t pixels) {
  // What the registers hold beside a row of weights and one broadcast: 12 pixels by one vector, or
  // by two with AVX-512, whose registers are 32.
  constexpr int64_t kFew = kGroupPixels;
  constexpr int64_t kMost = kVectors == 1 || kLanes == 16 ? 2 * kFew : kFew;
  for (int64_t i = 0; i < pixels;) {
    const float* input = tile.input + i * kStep * kGroupBlock;
    float* sums = tile.sums + i * tile.sum_stride;
    if (kMost > kFew && pixels - i > kFew) {
      GroupPixels<D, kMost, kVectors, kStep>(tile, input, sums);
      i += kMost;
    } else {
      GroupPixels<D, kFew, kVectors, kStep>(tile, input, sums);
      i += kFew;
    }
  }
}

template <class D, int kVectors>
void GroupVectors(const GroupTile& tile, int64_t pixels) {
  if (tile.step == 1) {
    GroupSteps<D, kVectors, 1>(tile, pixels);
  } else {
    GroupSteps<D, kVectors, 2>(tile, pixels);
  }
}

void MultiplyGroups(const GroupTile& tile, int64_t pixels, int64_t outputs) {
  if (outputs == 4) {
    GroupVectors<hn::CappedTag<float, 4>, 1>(tile, pixels);
  } else if (outputs == 8) {
    GroupVectors<hn::CappedTag<float, 8>, 1>(tile, pixels);
  } else if (outputs == kLanes) {
    GroupVectors<FloatTag, 1>(tile, pixels);
  } else {
    GroupVectors<FloatTag, 2>(tile, pixels);
  }
}

const GroupKernels* GroupKernelTable() {
  static const GroupKernels kernels = {.lanes = kLanes, .multiply = MultiplyGroups};
  return &kernels;
}

}  // namespace
}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(GroupKernelTable);

const GroupKernels& group_kernels() {
  static const GroupKernels& kernels = *HWY_DYNAMIC_DISPATCH(GroupKernelTable)();
  return kernels;
}

}  // namespace kestrel::cpu
#endif
