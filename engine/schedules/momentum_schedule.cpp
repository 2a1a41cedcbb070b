#include <kestrel/engine/schedules/momentum_schedule.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

constexpr const char* kMomentumConfig = "momentum_config";

/// The defaults of a curve, where they are not those of learning rates.
template <class Curve>
Curve momentum_curve() {
  return {};
}
template <>
StepCurve momentum_curve<StepCurve>() {
  return {.gamma = 0.5};
}
template <>
CyclicCurve momentum_curve<CyclicCurve>() {
  return {.target_ratio = {0.85 / 0.95, 1}};
}

template <class Curve>
struct MomentumPolicyOptions {
  MomentumOptions common = {.by_epoch = !kOnlyIterations<Curve>};
  Curve curve = momentum_curve<Curve>();

  template <class V>
  void visit(V& v) {
    common.visit(v);
    curve.template visit<MomentumNames>(v);
  }
};

template <class Curve>
class MomentumPolicy final : public MomentumSchedule {
 public:
  explicit MomentumPolicy(const MomentumPolicyOptions<Curve>& options)
      : MomentumSchedule(options.common), curve_(options.curve) {
    check_counting(kMomentumConfig, options.common.by_epoch, kOnlyIterations<Curve>);
    curve_.check();
  }

 private:
  double regular(const CurvePoint& point) const override { return curve_.at(point); }

  Curve curve_;
};

template <class Curve>
using MomentumRegistration =
    Registration<MomentumSchedule, MomentumPolicy<Curve>, MomentumPolicyOptions<Curve>>;

const MomentumRegistration<StepCurve> kStepMomentum{"step", "falls by a factor at milestones"};
const MomentumRegistration<CosineCurve> kCosineMomentum{"CosineAnnealing",
                                                        "falls along half a cosine"};
const MomentumRegistration<LinearCurve> kLinearMomentum{"LinearAnnealing", "falls in a line"};
const MomentumRegistration<CyclicCurve> kCyclicMomentum{"cyclic", "goes up and down"};
const MomentumRegistration<OneCycleMomentumCurve> kOneCycleMomentum{"OneCycle",
                                                                    "goes up and down once"};

}  // namespace

MomentumSchedule::MomentumSchedule(const MomentumOptions& options) : options_(options) {
  check_warmup(kMomentumConfig, options.warmup, options.warmup_iters, options.warmup_ratio);
}

double MomentumSchedule::momentum(double base, const Progress& progress, size_t group,
                                  size_t groups) const {
  const bool by_epoch = options_.by_epoch;
  const double value = regular({.base = base,
                                .p = by_epoch ? progress.epoch : progress.iter,
                                .max = by_epoch ? progress.max_epochs : progress.max_iters,
                                .epoch_length = progress.epoch_length,
                                .group = group,
                                .groups = groups});
  if (!options_.warmup || progress.iter >= options_.warmup_iters) return value;
  const double done =
      static_cast<double>(progress.iter) / static_cast<double>(options_.warmup_iters);
  return value / warmup_factor(*options_.warmup, options_.warmup_ratio, done);
}

std::unique_ptr<MomentumSchedule> build_momentum_schedule(const Config& config) {
  return build<MomentumSchedule>(
      typed_policy(config, Registry<MomentumSchedule>::instance().names()));
}

}  // namespace kestrel
