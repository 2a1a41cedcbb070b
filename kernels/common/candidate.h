#pragma once

#include <cmath>

#include <kestrel/kernels/candidate_select.h>
#include <kestrel/kernels/common/box_geometry.h>
#include <kestrel/kernels/common/host_device.h>

namespace kestrel {

struct ScoredBox {
  geometry::BoxOf<float> box;
  float score;
};

/// What score_candidates() makes of one decoded box.
KESTREL_HOST_DEVICE inline ScoredBox score_candidate(const geometry::BoxOf<float>& decoded,
                                                     float logit, const CandidateParams& params) {
  const geometry::BoxOf<float> box{decoded.x1 / params.scale_x, decoded.y1 / params.scale_y,
                                   decoded.x2 / params.scale_x, decoded.y2 / params.scale_y};
  const bool finite = std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) &&
                      std::isfinite(box.y2);
  if (!finite || !(box.x2 - box.x1 > params.min_size) || !(box.y2 - box.y1 > params.min_size)) {
    return {{0, 0, 0, 0}, kNoCandidate};
  }
  return {box, 1.0f / (1.0f + std::exp(-logit))};
}

}  // namespace kestrel
