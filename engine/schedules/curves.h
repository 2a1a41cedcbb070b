#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <kestrel/registry/options.h>

namespace kestrel {

/// How far a run is. Epochs and iterations count from 0; max values are the run's totals.
struct Progress {
  int64_t epoch = 0;
  int64_t iter = 0;  ///< Over all epochs.
  int64_t max_epochs = 0;
  int64_t max_iters = 0;
  int64_t epoch_length = 0;
};

/// Where a curve is asked for its value.
struct CurvePoint {
  double base = 0;           ///< What the parameter group starts from.
  int64_t p = 0;             ///< Epochs or iterations, as the schedule counts,
  int64_t max = 0;           ///< and how many there will be.
  int64_t warmup_iters = 0;  ///< Of the schedule; 0 without warm-up.
  int64_t epoch_length = 0;
  size_t group = 0;  ///< Of so many parameter groups.
  size_t groups = 1;
};

// The curves that learning rates and momenta follow, mmcv's without their warm-up. The names of
// options are mmcv's; Names has those that differ between the two: min_lr and min_momentum.

struct LrNames {
  static constexpr const char* kMin = "min_lr";
  static constexpr const char* kMinRatio = "min_lr_ratio";
};
struct MomentumNames {
  static constexpr const char* kMin = "min_momentum";
  static constexpr const char* kMinRatio = "min_momentum_ratio";
};

/// From 0 to 1 in a line, or in half a wave.
enum class Anneal : uint8_t { Cos, Linear };
constexpr auto enum_names(Anneal) {
  return std::array{std::pair{Anneal::Cos, "cos"}, std::pair{Anneal::Linear, "linear"}};
}
double anneal(Anneal way, double start, double end, double part);

/// base.
struct FixedCurve {
  template <class Names, class V>
  void visit(V&) {}
  void check() const {}
  double at(const CurvePoint& point) const { return point.base; }
};

/// Where a curve steps down: at milestones, or every n.
struct LrSteps {
  std::vector<int64_t> milestones = {};
  int64_t every = 0;

  static std::string type_text() { return "int or list of int"; }
  void read(const Config& node);
  Config write() const;
};

/// base * gamma^(number of milestones <= p), or base * gamma^(p / every).
struct StepCurve {
  LrSteps step = {};
  double gamma = 0.1;
  std::optional<double> least = {};

  template <class Names, class V>
  void visit(V& v) {
    v("step", step, "where it falls, or after every so many");
    v("gamma", gamma, "factor of every fall or cycle");
    v(Names::kMin, least, "the least value");
  }
  void check() const {}
  double at(const CurvePoint& point) const;
};

/// base * gamma^p.
struct ExpCurve {
  double gamma = 0.1;

  template <class Names, class V>
  void visit(V& v) {
    v("gamma", gamma, "factor of every fall or cycle");
  }
  void check() const {}
  double at(const CurvePoint& point) const;
};

/// (base - least) (1 - p/max)^power + least.
struct PolyCurve {
  double power = 1;
  double least = 0;

  template <class Names, class V>
  void visit(V& v) {
    v("power", power, "exponent");
    v(Names::kMin, least, "the least value");
  }
  void check() const {}
  double at(const CurvePoint& point) const;
};

/// base (1 + gamma p)^-power.
struct InvCurve {
  double gamma = 0;
  double power = 1;

  template <class Names, class V>
  void visit(V& v) {
    v("gamma", gamma, "factor of every fall or cycle");
    v("power", power, "exponent");
  }
  void check() const {}
  double at(const CurvePoint& point) const;
};

/// Where a curve ends: at a value, or at a share of base; else at 0.
struct CurveEnd {
  std::optional<double> least = {};
  std::optional<double> ratio = {};

  template <class Names, class V>
  void visit(V& v) {
    v(Names::kMin, least, "the least value");
    v(Names::kMinRatio, ratio, "the end as a share of the beginning");
  }
  void check() const;
  double of(double base) const { return ratio ? base * *ratio : least.value_or(0); }
};

/// end + (base - end) (1 + cos(pi p/max)) / 2.
struct CosineCurve {
  CurveEnd end = {};

  template <class Names, class V>
  void visit(V& v) {
    end.template visit<Names>(v);
  }
  void check() const { end.check(); }
  double at(const CurvePoint& point) const;
};

/// base for start_percent of the run, then the cosine.
struct FlatCosineCurve {
  double start_percent = 0.75;
  CurveEnd end = {};

  template <class Names, class V>
  void visit(V& v) {
    v("start_percent", start_percent, "share of the run before it falls");
    end.template visit<Names>(v);
  }
  void check() const;
  double at(const CurvePoint& point) const;
};

/// Cosines of several periods, each from its weight times base.
struct CosineRestartCurve {
  std::vector<int64_t> periods = {};
  std::vector<double> restart_weights = {1};
  CurveEnd end = {};

  template <class Names, class V>
  void visit(V& v) {
    v("periods", periods, "lengths of the periods");
    v("restart_weights", restart_weights, "share of the start that each period begins with");
    end.template visit<Names>(v);
  }
  void check() const;
  /// Throws UsageError beyond the last period.
  double at(const CurvePoint& point) const;
};

/// base + (end - base) p/max.
struct LinearCurve {
  CurveEnd end = {};

  template <class Names, class V>
  void visit(V& v) {
    end.template visit<Names>(v);
  }
  void check() const { end.check(); }
  double at(const CurvePoint& point) const;
};

/// A cosine from the end of warm-up, and the end for the last epochs.
struct YoloxCurve {
  int64_t num_last_epochs = 0;
  CurveEnd end = {};

  template <class Names, class V>
  void visit(V& v) {
    v("num_last_epochs", num_last_epochs, "epochs at the end that have the least rate");
    end.template visit<Names>(v);
  }
  void check() const { end.check(); }
  double at(const CurvePoint& point) const;
};

/// The two ratios of a cycle; one number r stands for (r, r / 1e5).
struct CycleRatios {
  double first = 1, second = 1;

  static std::string type_text() { return "float or two floats"; }
  void read(const Config& node);
  Config write() const;
};

/// From base to first * base and on to second * base, cyclic_times; with gamma below 1 in smaller
/// and smaller swings.
struct CyclicCurve {
  CycleRatios target_ratio = {10, 1e-4};
  int64_t cyclic_times = 1;
  double step_ratio_up = 0.4;
  Anneal anneal_strategy = Anneal::Cos;
  double gamma = 1;

  template <class Names, class V>
  void visit(V& v) {
    v("target_ratio", target_ratio, "the two ratios of a cycle");
    v("cyclic_times", cyclic_times, "cycles of the run");
    v("step_ratio_up", step_ratio_up, "share of a cycle before its turn");
    v("anneal_strategy", anneal_strategy, "the shape of every way");
    v("gamma", gamma, "factor of every fall or cycle");
  }
  void check() const;
  double at(const CurvePoint& point) const;
};

/// The phases of a single cycle: up to the peak, down; in three phases as long down as up, and then
/// to the end.
struct OneCyclePhases {
  double pct_start = 0.3;
  Anneal anneal_strategy = Anneal::Cos;
  bool three_phase = false;

  template <class V>
  void visit(V& v) {
    v("pct_start", pct_start, "share of the run before the peak");
    v("anneal_strategy", anneal_strategy, "the shape of every way");
    v("three_phase", three_phase, "goes back to the start before the end");
  }
  void check() const;
  /// At iteration p of `total`, between the values at the start, the peak and the end; three phases
  /// pass the start's once more.
  double at(int64_t p, int64_t total, double start, double peak, double end) const;
};

/// From max_lr / div_factor to max_lr and down to max_lr / div_factor / final_div_factor, whatever
/// the optimizer's own rate. max_lr is a number, or one for each group.
struct OneCycleLrCurve {
  OneOrMore<double> max_lr = {};
  std::optional<int64_t> total_steps = {};  ///< Else the run's iterations.
  double div_factor = 25;
  double final_div_factor = 1e4;
  OneCyclePhases phases = {};

  template <class Names, class V>
  void visit(V& v) {
    v("max_lr", max_lr, "the peak; a number, or one for each parameter group");
    v("total_steps", total_steps, "iterations of the cycle; by default those of the run");
    v("div_factor", div_factor, "max_lr / this is the start");
    v("final_div_factor", final_div_factor, "the start / this is the end");
    phases.visit(v);
  }
  void check() const;
  double at(const CurvePoint& point) const;
};

/// From max_momentum to base_momentum, at the peak of the rate, and back. Numbers, or one for each
/// group.
struct OneCycleMomentumCurve {
  OneOrMore<double> base_momentum = {{0.85}};
  OneOrMore<double> max_momentum = {{0.95}};
  OneCyclePhases phases = {};

  template <class Names, class V>
  void visit(V& v) {
    v("base_momentum", base_momentum,
      "the momentum at the rate's peak; a number, or one for each parameter group");
    v("max_momentum", max_momentum, "the momentum at start and end; likewise");
    phases.visit(v);
  }
  void check() const { phases.check(); }
  double at(const CurvePoint& point) const;
};

/// Whether a curve counts iterations only.
template <class Curve>
inline constexpr bool kOnlyIterations = false;
template <>
inline constexpr bool kOnlyIterations<CyclicCurve> = true;
template <>
inline constexpr bool kOnlyIterations<OneCycleLrCurve> = true;
template <>
inline constexpr bool kOnlyIterations<OneCycleMomentumCurve> = true;

/// How a schedule begins: for the first warmup_iters it is the curve's times warmup_ratio
/// (Constant), rising from there in a line (Linear) or a geometric row (Exp).
enum class WarmupKind : uint8_t { Constant, Linear, Exp };
constexpr auto enum_names(WarmupKind) {
  return std::array{std::pair{WarmupKind::Constant, "constant"},
                    std::pair{WarmupKind::Linear, "linear"}, std::pair{WarmupKind::Exp, "exp"}};
}

/// `done` of 1 is the end of warm-up.
double warmup_factor(WarmupKind kind, double ratio, double done);
/// Throws UsageError for what cannot be; `who` is lr_config or momentum_config.
void check_warmup(const char* who, const std::optional<WarmupKind>& kind, int64_t iters,
                  double ratio);
void check_counting(const char* who, bool by_epoch, bool only_iterations);

/// A config like {policy: step, step: [8, 11]} as a registry reads it: the policy as its type,
/// in lower case where it is registered so.
Config typed_policy(const Config& config, const std::vector<std::string>& names);

}  // namespace kestrel
