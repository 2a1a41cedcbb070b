#include <kestrel/kernels/anchor_targets.h>

#include <kestrel/kernels/common/anchor_levels.h>
#include <kestrel/kernels/cuda/box_rows.h>
#include <kestrel/kernels/cuda/segments.h>

namespace kestrel::gpu {
namespace {

/// Assignments that one warp counts.
constexpr int64_t kSegment = 2048;

template <bool packed>
__global__ void anchor_flags_kernel(int64_t n, const float* anchors, AnchorLevels levels,
                                    const int64_t* image, int64_t allowed_border, uint8_t* valid) {
  const AnchorImage own{image[0], image[1], image[2], image[3]};
  for (const int64_t i : grid_stride(n)) {
    float box[4];
    geometry::store_box(load_row<packed>(anchors, i), box);
    valid[i] = anchor_counts(i, box, levels.of(i), own, allowed_border) ? 1 : 0;
  }
}

__global__ void count_positives_kernel(int64_t n, const int64_t* assigned, double* counts) {
  const Segment segment = warp_segment(n, kSegment);
  double count = 0;
  for (int64_t i = segment.begin + segment.lane; i < segment.end; i += kWarp) {
    if (assigned[i] > 0) count += 1;
  }
  write_segment_sum(segment, count, counts);
}

/// Where the rows go.
struct Rows {
  int64_t* labels;
  float* label_weights;
  float* anchors;
  float* boxes;
  float* box_weights;
};

template <bool packed>
__global__ void anchor_targets_kernel(int64_t n, const int64_t* assigned, const float* anchors,
                                      const int64_t* truth_labels, const float* truth_boxes,
                                      AnchorLevels levels, AnchorTargetParams params,
                                      const double* count, Rows rows, double* positives) {
  const double weight = anchor_image_weight(*count, params);
  for (const int64_t i : grid_stride(n)) {
    const int64_t row = anchor_row(i, levels.of(i), params);
    const int64_t truth = assigned[i] - 1;
    const bool positive = truth >= 0;
    const bool counts = truth >= -1;
    rows.labels[row] = positive ? truth_labels[truth] : counts ? params.num_classes : -1;
    if (rows.label_weights) {
      const double own = positive ? weight * params.pos_weight : counts ? weight : 0.0;
      rows.label_weights[row] = static_cast<float>(own);
    }
    rows.box_weights[row] = positive ? static_cast<float>(weight) : 0.0f;
    const auto anchor = load_row<packed>(anchors, i);
    store_row<packed>(anchor, rows.anchors, row);
    store_row<packed>(positive ? load_row<packed>(truth_boxes, truth) : anchor, rows.boxes, row);
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) *positives += *count > 1 ? *count : 1;
}

}  // namespace

void anchor_flags(ConstView anchors, std::span<const AnchorLevel> all, ConstView image,
                  int64_t allowed_border, View valid, Stream stream) {
  const AnchorLevels levels(all);
  check_anchor_flags(anchors, levels, image, valid);
  const auto run = [&]<bool packed>(float, std::bool_constant<packed>) {
    launch_1d(anchor_flags_kernel<packed>, valid.numel(), stream, anchors.as<float>(), levels,
              image.as<int64_t>(), allowed_border, valid.as<uint8_t>());
  };
  visit_rows_of(float{}, run, anchors.data);
}

void anchor_targets(ConstView assigned, ConstView anchors, ConstView truth_labels,
                    ConstView truth_boxes, std::span<const AnchorLevel> all,
                    const AnchorTargetParams& params, const AnchorTargetViews& targets,
                    Stream stream) {
  const AnchorLevels levels(all);
  check_anchor_targets(assigned, anchors, truth_labels, truth_boxes, levels, params, targets);
  const int64_t n = assigned.numel();
  const SegmentSums counts(n, kSegment, stream);
  launch_segments(count_positives_kernel, n, kSegment, stream, assigned.as<int64_t>(),
                  counts.get());
  const Scratch<double> count(1, stream);
  counts.join(count.get());
  const Rows rows{targets.labels.as<int64_t>(),
                  targets.label_weights ? targets.label_weights.as<float>() : nullptr,
                  targets.anchors.as<float>(), targets.boxes.as<float>(),
                  targets.box_weights.as<float>()};
  const auto run = [&]<bool packed>(float, std::bool_constant<packed>) {
    launch_1d(anchor_targets_kernel<packed>, n, stream, assigned.as<int64_t>(), anchors.as<float>(),
              truth_labels.as<int64_t>(), truth_boxes.as<float>(), levels, params, count.get(),
              rows, targets.positives.as<double>());
  };
  visit_rows_of(float{}, run, anchors.data, truth_boxes.data, targets.anchors.data,
                targets.boxes.data);
}

}  // namespace kestrel::gpu
