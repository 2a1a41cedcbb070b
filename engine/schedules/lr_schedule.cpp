#include <kestrel/engine/schedules/lr_schedule.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

constexpr const char* kLrConfig = "lr_config";

template <class Curve>
struct LrPolicyOptions {
  LrOptions common = {.by_epoch = !kOnlyIterations<Curve>};
  Curve curve = {};

  template <class V>
  void visit(V& v) {
    common.visit(v);
    curve.template visit<LrNames>(v);
  }
};

template <class Curve>
class LrPolicy : public LrSchedule {
 public:
  explicit LrPolicy(const LrPolicyOptions<Curve>& options)
      : LrSchedule(options.common), curve_(options.curve) {
    check_counting(kLrConfig, options.common.by_epoch, kOnlyIterations<Curve>);
    curve_.check();
  }

 private:
  double regular(const CurvePoint& point) const final { return curve_.at(point); }

  Curve curve_;
};

/// Warms up in a parabola, from the optimizer's rate and not from the curve's.
class YoloxPolicy final : public LrPolicy<YoloxCurve> {
 public:
  using LrPolicy::LrPolicy;

 private:
  double warm(double base, double, int64_t iter, int64_t warmup_iters) const override {
    const double done = static_cast<double>(iter + 1) / static_cast<double>(warmup_iters);
    return base * options().warmup_ratio * done * done;
  }
};

template <class Curve, class Policy = LrPolicy<Curve>>
using LrRegistration = Registration<LrSchedule, Policy, LrPolicyOptions<Curve>>;

const LrRegistration<FixedCurve> kFixedLr{"fixed", "the learning rate stays"};
const LrRegistration<StepCurve> kStepLr{"step", "falls by a factor at milestones"};
const LrRegistration<ExpCurve> kExpLr{"exp", "falls by a factor every epoch"};
const LrRegistration<PolyCurve> kPolyLr{"poly", "falls as a power of what is left of the run"};
const LrRegistration<InvCurve> kInvLr{"inv", "falls as a power of what is done of the run"};
const LrRegistration<CosineCurve> kCosineLr{"CosineAnnealing", "falls along half a cosine"};
const LrRegistration<FlatCosineCurve> kFlatCosineLr{"FlatCosineAnnealing",
                                                    "stays, then falls along half a cosine"};
const LrRegistration<CosineRestartCurve> kCosineRestartLr{"CosineRestart",
                                                          "cosines of several periods"};
const LrRegistration<LinearCurve> kLinearLr{"LinearAnnealing", "falls in a line"};
const LrRegistration<CyclicCurve> kCyclicLr{"cyclic", "goes up and down"};
const LrRegistration<OneCycleLrCurve> kOneCycleLr{"OneCycle", "goes up and down once"};
const LrRegistration<YoloxCurve, YoloxPolicy> kYoloxLr{
    "YOLOX", "warms up in a parabola, then falls along half a cosine"};

}  // namespace

LrSchedule::LrSchedule(const LrOptions& options) : options_(options) {
  check_warmup(kLrConfig, options.warmup, options.warmup_iters, options.warmup_ratio);
}

double LrSchedule::lr(double base, const Progress& progress, size_t group, size_t groups) const {
  const int64_t iters = options_.warmup_by_epoch ? options_.warmup_iters * progress.epoch_length
                                                 : options_.warmup_iters;
  const double value = regular({.base = base,
                                .p = options_.by_epoch ? progress.epoch : progress.iter,
                                .max = options_.by_epoch ? progress.max_epochs : progress.max_iters,
                                .warmup_iters = iters,
                                .epoch_length = progress.epoch_length,
                                .group = group,
                                .groups = groups});
  if (!options_.warmup || progress.iter >= iters) return value;
  return warm(base, value, progress.iter, iters);
}

double LrSchedule::warm(double, double regular, int64_t iter, int64_t warmup_iters) const {
  return regular * warmup_factor(*options_.warmup, options_.warmup_ratio,
                                 static_cast<double>(iter) / static_cast<double>(warmup_iters));
}

std::unique_ptr<LrSchedule> build_lr_schedule(const Config& config) {
  return build<LrSchedule>(typed_policy(config, Registry<LrSchedule>::instance().names()));
}

}  // namespace kestrel
