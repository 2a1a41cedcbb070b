#pragma once

#include <cmath>
#include <limits>

#include <kestrel/kernels/common/host_device.h>

/// Box geometry that kernels on every device share. Boxes are x1, y1, x2, y2 in pixels, continuous.
namespace kestrel::geometry {

/// Boxes as four numbers, in float or double.
template <class T>
struct BoxOf {
  T x1, y1, x2, y2;
};

template <class T>
KESTREL_HOST_DEVICE inline BoxOf<T> load_box(const T* p) {
  return {p[0], p[1], p[2], p[3]};
}

template <class T>
KESTREL_HOST_DEVICE inline void store_box(const BoxOf<T>& b, T* p) {
  p[0] = b.x1;
  p[1] = b.y1;
  p[2] = b.x2;
  p[3] = b.y2;
}

template <class T>
KESTREL_HOST_DEVICE inline T smaller(T a, T b) {
  return a < b ? a : b;
}

template <class T>
KESTREL_HOST_DEVICE inline T larger(T a, T b) {
  return a > b ? a : b;
}

/// `value` in [low, high]; NaN stays NaN.
template <class T>
KESTREL_HOST_DEVICE inline T clamp(T value, T low, T high) {
  return value < low ? low : value > high ? high : value;
}

template <class T>
KESTREL_HOST_DEVICE inline bool is_finite(const BoxOf<T>& b) {
  return std::isfinite(b.x1) && std::isfinite(b.y1) && std::isfinite(b.x2) && std::isfinite(b.y2);
}

template <class T>
KESTREL_HOST_DEVICE inline T area(const BoxOf<T>& b) {
  return (b.x2 - b.x1) * (b.y2 - b.y1);
}

/// Whether coordinates and area are finite.
template <class T>
KESTREL_HOST_DEVICE inline bool has_finite_area(const BoxOf<T>& b) {
  return is_finite(b) && std::isfinite(area(b));
}

template <class T>
KESTREL_HOST_DEVICE inline T intersection(const BoxOf<T>& a, const BoxOf<T>& b) {
  const T w = smaller(a.x2, b.x2) - larger(a.x1, b.x1);
  const T h = smaller(a.y2, b.y2) - larger(a.y1, b.y1);
  return larger(w, T(0)) * larger(h, T(0));
}

/// Intersection over max(union, eps).
template <class T>
KESTREL_HOST_DEVICE inline T iou(const BoxOf<T>& a, const BoxOf<T>& b, T eps) {
  const T inter = intersection(a, b);
  return inter / larger(area(a) + area(b) - inter, eps);
}

/// Whether the intersection is a share of the box, or of the region, that is above a threshold.
template <class T>
KESTREL_HOST_DEVICE inline bool lies_in(const BoxOf<T>& box, const BoxOf<T>& region, bool of_box,
                                        T threshold) {
  const T whole = larger(area(of_box ? box : region), T(1e-6));
  return intersection(box, region) / whole > threshold;
}

/// How deltas (dx, dy, dw, dh) relate to a box and its anchor: MMDetection's DeltaXYWHBBoxCoder.
struct DeltaParams {
  double means[4] = {0, 0, 0, 0};
  double stds[4] = {1, 1, 1, 1};
  double max_ratio = 4.135166556742356;  ///< Of |dw| and |dh| when decoding: |log(16 / 1000)|.
  bool clamp_lower = true;               ///< Also bounds dw and dh from below, by -max_ratio.
  bool clip = true;                      ///< Moves decoded corners into the image.
};

/// The deltas that lead from an anchor to a box. Sides that are zero or negative count as the
/// smallest positive number, so that every result for finite boxes is finite.
template <class T>
KESTREL_HOST_DEVICE inline void encode_delta(const BoxOf<T>& anchor, const BoxOf<T>& box,
                                             const DeltaParams& params, T* delta) {
  constexpr T kTiny = std::numeric_limits<float>::min();
  const T aw = larger(anchor.x2 - anchor.x1, kTiny);
  const T ah = larger(anchor.y2 - anchor.y1, kTiny);
  const T bw = larger(box.x2 - box.x1, kTiny);
  const T bh = larger(box.y2 - box.y1, kTiny);
  const T half = T(0.5);
  delta[0] = ((box.x1 + box.x2) * half - (anchor.x1 + anchor.x2) * half) / aw;
  delta[1] = ((box.y1 + box.y2) * half - (anchor.y1 + anchor.y2) * half) / ah;
  delta[2] = std::log(bw / aw);
  delta[3] = std::log(bh / ah);
  for (int i = 0; i < 4; ++i) {
    delta[i] = (delta[i] - T(params.means[i])) / T(params.stds[i]);
  }
}

/// One decoded box and what its derivative needs.
template <class T>
struct Decoded {
  BoxOf<T> box;         ///< Not clipped.
  T aw, ah, w, h;       ///< Sides of the anchor and of the box.
  bool free_w, free_h;  ///< Whether dw and dh were within their bounds.
};

template <class T>
KESTREL_HOST_DEVICE inline Decoded<T> decode_delta(const BoxOf<T>& anchor, const T* delta,
                                                   const DeltaParams& params) {
  T d[4];
  for (int i = 0; i < 4; ++i) d[i] = delta[i] * T(params.stds[i]) + T(params.means[i]);
  const T high = T(params.max_ratio);
  const T low = params.clamp_lower ? -high : -std::numeric_limits<T>::infinity();
  Decoded<T> r;
  r.free_w = d[2] >= low && d[2] <= high;
  r.free_h = d[3] >= low && d[3] <= high;
  r.aw = anchor.x2 - anchor.x1;
  r.ah = anchor.y2 - anchor.y1;
  r.w = r.aw * std::exp(clamp(d[2], low, high));
  r.h = r.ah * std::exp(clamp(d[3], low, high));
  const T half = T(0.5);
  const T cx = (anchor.x1 + anchor.x2) * half + d[0] * r.aw;
  const T cy = (anchor.y1 + anchor.y2) * half + d[1] * r.ah;
  r.box = {cx - half * r.w, cy - half * r.h, cx + half * r.w, cy + half * r.h};
  return r;
}

template <class T>
KESTREL_HOST_DEVICE inline BoxOf<T> clip_box(const BoxOf<T>& b, T width, T height) {
  return {clamp(b.x1, T(0), width), clamp(b.y1, T(0), height), clamp(b.x2, T(0), width),
          clamp(b.y2, T(0), height)};
}

/// The decoded box, clipped to width and height where params.clip says so.
template <class T>
KESTREL_HOST_DEVICE inline BoxOf<T> decode_box(const BoxOf<T>& anchor, const T* delta,
                                               const DeltaParams& params, T width, T height) {
  const BoxOf<T> box = decode_delta(anchor, delta, params).box;
  return params.clip ? clip_box(box, width, height) : box;
}

/// The derivative of decode_box by the deltas applied to `grad`; zero where a clamp or clip holds.
template <class T>
KESTREL_HOST_DEVICE inline BoxOf<T> decode_box_backward(const BoxOf<T>& anchor, const T* delta,
                                                        BoxOf<T> grad, const DeltaParams& params,
                                                        T width, T height) {
  const Decoded<T> r = decode_delta(anchor, delta, params);
  if (params.clip) {
    const auto inside = [](T v, T limit) { return v >= 0 && v <= limit; };
    if (!inside(r.box.x1, width)) grad.x1 = 0;
    if (!inside(r.box.x2, width)) grad.x2 = 0;
    if (!inside(r.box.y1, height)) grad.y1 = 0;
    if (!inside(r.box.y2, height)) grad.y2 = 0;
  }
  return {(grad.x1 + grad.x2) * r.aw * T(params.stds[0]),
          (grad.y1 + grad.y2) * r.ah * T(params.stds[1]),
          r.free_w ? (grad.x2 - grad.x1) * T(0.5) * r.w * T(params.stds[2]) : T(0),
          r.free_h ? (grad.y2 - grad.y1) * T(0.5) * r.h * T(params.stds[3]) : T(0)};
}

/// IoU or GIoU of a predicted box with a target, and its gradient with respect to the prediction.
/// Denominators are at least eps, as in MMDetection's bbox_overlaps; where eps takes over, the
/// denominator is constant. Where coordinates are equal the prediction gets half of the gradient,
/// as from max and min in PyTorch.
template <class T>
struct OverlapGradient {
  T value;
  T grad[4];
};

template <class T>
KESTREL_HOST_DEVICE inline OverlapGradient<T> overlap_with_gradient(const BoxOf<T>& p,
                                                                    const BoxOf<T>& t, T eps,
                                                                    bool generalized) {
  const auto share = [](T mine, T other) {  // d max(mine, other) / d mine
    return mine > other ? T(1) : mine == other ? T(0.5) : T(0);
  };
  const T pw = p.x2 - p.x1;
  const T ph = p.y2 - p.y1;
  const T w = smaller(p.x2, t.x2) - larger(p.x1, t.x1);
  const T h = smaller(p.y2, t.y2) - larger(p.y1, t.y1);
  const bool overlap = w >= 0 && h >= 0;
  const T inter = overlap ? w * h : T(0);
  T d_inter[4] = {0, 0, 0, 0};
  if (overlap) {
    d_inter[0] = -share(p.x1, t.x1) * h;
    d_inter[1] = -share(p.y1, t.y1) * w;
    d_inter[2] = share(t.x2, p.x2) * h;  // min(p, t) follows p where t is larger
    d_inter[3] = share(t.y2, p.y2) * w;
  }
  const T raw_union = pw * ph + area(t) - inter;
  const bool free_union = raw_union > eps;
  const T uni = larger(raw_union, eps);
  const T d_area[4] = {-ph, -pw, ph, pw};
  OverlapGradient<T> r;
  r.value = inter / uni;
  T d_union[4];
  for (int i = 0; i < 4; ++i) {
    d_union[i] = free_union ? d_area[i] - d_inter[i] : T(0);
    r.grad[i] = (d_inter[i] - r.value * d_union[i]) / uni;
  }
  // NaN must not become a perfect or an empty overlap.
  r.value += (pw + ph) * T(0);
  if (!generalized) return r;

  const T hull_w = larger(p.x2, t.x2) - smaller(p.x1, t.x1);
  const T hull_h = larger(p.y2, t.y2) - smaller(p.y1, t.y1);
  const bool hull_open = hull_w >= 0 && hull_h >= 0;
  const T raw_hull = hull_open ? hull_w * hull_h : T(0);
  const bool free_hull = raw_hull > eps;
  const T hull = larger(raw_hull, eps);
  r.value -= (hull - uni) / hull;
  const T d_w[2] = {-share(t.x1, p.x1), share(p.x2, t.x2)};
  const T d_h[2] = {-share(t.y1, p.y1), share(p.y2, t.y2)};
  const T d_hull[4] = {d_w[0] * hull_h, d_h[0] * hull_w, d_w[1] * hull_h, d_h[1] * hull_w};
  for (int i = 0; i < 4; ++i) {
    const T dh = free_hull ? d_hull[i] : T(0);
    r.grad[i] += (d_union[i] - uni / hull * dh) / hull;
  }
  return r;
}

}  // namespace kestrel::geometry
