#include "compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace kestrel::parity {
namespace {

constexpr double kUnbounded = std::numeric_limits<double>::infinity();

struct Found {
  std::array<float, 4> box{};
  float score = 0;
  int64_t label = 0;
  bool used = false;
};

double distance(const Found& a, const Found& b) {
  double worst = 0;
  for (size_t c = 0; c < 4; ++c) {
    worst = std::max(worst, std::abs(static_cast<double>(a.box[c]) - b.box[c]));
  }
  return worst;
}

double score_distance(const Found& a, const Found& b) {
  return std::abs(static_cast<double>(a.score) - b.score);
}

}  // namespace

double relative_error(const Tensor& got, const Tensor& expected) {
  if (!(got.shape() == expected.shape())) return kUnbounded;
  const Tensor a = got.to(Device::cpu()).to(DType::Float32);
  const Tensor b = expected.to(DType::Float32);
  double difference = 0;
  double largest = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.data<float>()[i];
    const double y = b.data<float>()[i];
    if (!std::isfinite(x)) return kUnbounded;
    difference = std::max(difference, std::abs(x - y));
    largest = std::max(largest, std::abs(y));
  }
  return largest > 0 ? difference / largest : difference;
}

Alignment align(const Tensor& got, const Tensor& expected) {
  if (!(got.shape() == expected.shape())) return {0, kUnbounded};
  const Tensor a = got.to(Device::cpu());
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.data<float>()[i];
    const double y = expected.data<float>()[i];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  if (aa == 0 && bb == 0) return {};
  if (aa == 0 || bb == 0 || !std::isfinite(aa)) return {0, kUnbounded};
  return {ab / std::sqrt(aa * bb), std::abs(std::sqrt(aa / bb) - 1)};
}

DetectionErrors compare_detections(const Detections& found, const Tensor& boxes,
                                   const Tensor& labels, const DetectionLimits& limits) {
  std::vector<Found> ours;
  for (int64_t i = 0; i < found.scores.numel(); ++i) {
    const float* b = found.boxes.data<float>() + 4 * i;
    ours.push_back(
        {{b[0], b[1], b[2], b[3]}, found.scores.data<float>()[i], found.labels.data<int64_t>()[i]});
  }
  std::vector<Found> theirs;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    const float* b = boxes.data<float>() + 5 * i;
    theirs.push_back(
        {{b[0], b[1], b[2], b[3]}, b[4], labels.defined() ? labels.data<int64_t>()[i] : 0});
  }
  DetectionErrors errors{.expected = static_cast<int64_t>(theirs.size())};
  const auto pair = [&](Found& one, double box_limit, double score_limit) {
    Found* best = nullptr;
    for (Found& other : ours) {
      if (other.used || other.label != one.label || distance(one, other) > box_limit ||
          score_distance(one, other) > score_limit) {
        continue;
      }
      if (!best || distance(one, other) < distance(one, *best)) best = &other;
    }
    if (!best) return;
    best->used = one.used = true;
    errors.box = std::max(errors.box, distance(one, *best));
    errors.score = std::max(errors.score, score_distance(one, *best));
  };
  for (Found& one : theirs) pair(one, limits.box, limits.score);
  const bool full = ours.size() == theirs.size() && !theirs.empty();
  for (Found& one : theirs) {
    if (one.used) continue;
    if (full && one.score - theirs.back().score <= limits.score) {
      ++errors.at_the_cut;
      continue;
    }
    pair(one, kUnbounded, kUnbounded);
    if (!one.used) ++errors.missing;
  }
  const auto unused = std::ranges::count_if(ours, [](const Found& one) { return !one.used; });
  errors.missing += std::max<int64_t>(0, unused - errors.at_the_cut - errors.missing);
  return errors;
}

}  // namespace kestrel::parity
