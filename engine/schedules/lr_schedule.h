#pragma once

#include <memory>

#include <kestrel/engine/schedules/curves.h>

namespace kestrel {

/// What all schedules share, under mmcv's names.
struct LrOptions {
  bool by_epoch = true;  ///< The schedule sees epochs, else iterations.
  std::optional<WarmupKind> warmup = {};
  int64_t warmup_iters = 0;  ///< Epochs with warmup_by_epoch.
  double warmup_ratio = 0.1;
  bool warmup_by_epoch = false;

  template <class V>
  void visit(V& v) {
    v("by_epoch", by_epoch, "the schedule sees epochs, else iterations");
    v("warmup", warmup, "how it rises at first; null: it does not");
    v("warmup_iters", warmup_iters, "iterations of warm-up");
    v("warmup_ratio", warmup_ratio, "share that it begins with");
    v("warmup_by_epoch", warmup_by_epoch, "warmup_iters counts epochs");
  }
};

/// The learning rate as a function of progress. Warm-up counts iterations, whatever the schedule
/// counts.
class LrSchedule {
 public:
  static constexpr const char* kKind = "schedule";

  explicit LrSchedule(const LrOptions& options);
  virtual ~LrSchedule() = default;

  /// For parameter group `group` of so many, which starts from `base`.
  double lr(double base, const Progress& progress, size_t group = 0, size_t groups = 1) const;

 protected:
  /// Without warm-up.
  virtual double regular(const CurvePoint& point) const = 0;
  /// In iteration `iter` of warm-up.
  virtual double warm(double base, double regular, int64_t iter, int64_t warmup_iters) const;
  const LrOptions& options() const { return options_; }

 private:
  LrOptions options_;
};

/// Builds from MMDetection's lr_config: {policy: step, step: [8, 11], warmup: linear, ...}.
/// Policies are fixed, step, exp, poly, inv, CosineAnnealing, FlatCosineAnnealing, CosineRestart,
/// LinearAnnealing, cyclic, OneCycle, YOLOX.
std::unique_ptr<LrSchedule> build_lr_schedule(const Config& config);

}  // namespace kestrel
