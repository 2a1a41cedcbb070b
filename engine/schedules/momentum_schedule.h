#pragma once

#include <memory>

#include <kestrel/engine/schedules/curves.h>

namespace kestrel {

/// What all momentum schedules share, under mmcv's names.
struct MomentumOptions {
  bool by_epoch = true;  ///< The schedule sees epochs, else iterations.
  std::optional<WarmupKind> warmup = {};
  int64_t warmup_iters = 0;
  double warmup_ratio = 0.9;

  template <class V>
  void visit(V& v) {
    v("by_epoch", by_epoch, "the schedule sees epochs, else iterations");
    v("warmup", warmup, "how it rises at first; null: it does not");
    v("warmup_iters", warmup_iters, "iterations of warm-up");
    v("warmup_ratio", warmup_ratio, "share that it begins with");
  }
};

/// The momentum, or beta1, as a function of progress. Warm-up counts iterations and divides: the
/// momentum begins above the curve.
class MomentumSchedule {
 public:
  static constexpr const char* kKind = "momentum schedule";

  explicit MomentumSchedule(const MomentumOptions& options);
  virtual ~MomentumSchedule() = default;

  /// For parameter group `group` of so many, whose own momentum is `base`.
  double momentum(double base, const Progress& progress, size_t group = 0, size_t groups = 1) const;

 protected:
  /// Without warm-up.
  virtual double regular(const CurvePoint& point) const = 0;

 private:
  MomentumOptions options_;
};

/// Builds from MMDetection's momentum_config: {policy: cyclic, target_ratio: [0.89, 1], ...}.
/// Policies are step, CosineAnnealing, LinearAnnealing, cyclic, OneCycle.
std::unique_ptr<MomentumSchedule> build_momentum_schedule(const Config& config);

}  // namespace kestrel
