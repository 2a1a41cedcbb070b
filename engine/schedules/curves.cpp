#include <kestrel/engine/schedules/curves.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace kestrel {
namespace {

double part_of(int64_t p, int64_t max) {
  return max > 0 ? static_cast<double>(p) / static_cast<double>(max) : 0;
}

double raised(double base, int64_t exponent) {
  return std::pow(base, static_cast<double>(exponent));
}

double of_group(const char* name, const OneOrMore<double>& values, const CurvePoint& point) {
  if (values.values.size() == 1) return values.values.front();
  if (values.values.size() != point.groups) {
    fail<UsageError>("[schedule] ", name, " needs one value for each of ", point.groups,
                     " parameter groups, got ", values.values.size());
  }
  return values.values[point.group];
}

}  // namespace

double anneal(Anneal way, double start, double end, double part) {
  if (way == Anneal::Linear) return start + (end - start) * part;
  return end + 0.5 * (start - end) * (1 + std::cos(std::numbers::pi * part));
}

void LrSteps::read(const Config& node) {
  *this = {};
  if (!node.is_list()) {
    every = node.as_int();
    if (every <= 0) node.fail("has to be positive, got " + node.describe());
    return;
  }
  for (const Config& item : node.items()) milestones.push_back(item.as_int());
}

Config LrSteps::write() const {
  if (every > 0) return every;
  Config list = Config::list();
  for (const int64_t milestone : milestones) list.push_back(milestone);
  return list;
}

double StepCurve::at(const CurvePoint& point) const {
  const auto passed = [&](int64_t milestone) { return milestone <= point.p; };
  const int64_t steps =
      step.every > 0 ? point.p / step.every : std::ranges::count_if(step.milestones, passed);
  const double value = point.base * raised(gamma, steps);
  return least ? std::max(value, *least) : value;
}

double ExpCurve::at(const CurvePoint& point) const {
  return point.base * raised(gamma, point.p);
}

double PolyCurve::at(const CurvePoint& point) const {
  return (point.base - least) * std::pow(1 - part_of(point.p, point.max), power) + least;
}

double InvCurve::at(const CurvePoint& point) const {
  return point.base * std::pow(1 + gamma * static_cast<double>(point.p), -power);
}

void CurveEnd::check() const {
  if (least && ratio) {
    fail<UsageError>("[schedule] the least value is given both as itself and as a ratio; give one");
  }
}

double CosineCurve::at(const CurvePoint& point) const {
  return anneal(Anneal::Cos, point.base, end.of(point.base), part_of(point.p, point.max));
}

void FlatCosineCurve::check() const {
  end.check();
  if (!(start_percent >= 0 && start_percent <= 1)) {
    fail<UsageError>("[schedule] start_percent has to be between 0 and 1, got ", start_percent);
  }
}

double FlatCosineCurve::at(const CurvePoint& point) const {
  // To the even one where two are as near.
  const auto start =
      static_cast<int64_t>(std::nearbyint(static_cast<double>(point.max) * start_percent));
  if (point.p < start) return point.base;
  return anneal(Anneal::Cos, point.base, end.of(point.base),
                part_of(point.p - start, point.max - start));
}

void CosineRestartCurve::check() const {
  end.check();
  if (periods.empty() || periods.size() != restart_weights.size() ||
      std::ranges::any_of(periods, [](int64_t period) { return period <= 0; })) {
    fail<UsageError>("[schedule] periods have to be positive, with a restart weight each; got ",
                     periods.size(), " periods and ", restart_weights.size(), " weights");
  }
}

double CosineRestartCurve::at(const CurvePoint& point) const {
  int64_t start = 0;
  for (size_t i = 0; i < periods.size(); ++i) {
    if (point.p < start + periods[i]) {
      const double target = end.of(point.base);
      const double wave = 1 + std::cos(std::numbers::pi * part_of(point.p - start, periods[i]));
      return target + 0.5 * restart_weights[i] * (point.base - target) * wave;
    }
    start += periods[i];
  }
  fail<UsageError>("[schedule] periods end at ", start, ", but the run goes on to ", point.max,
                   "; add a period");
}

double LinearCurve::at(const CurvePoint& point) const {
  return anneal(Anneal::Linear, point.base, end.of(point.base), part_of(point.p, point.max));
}

double YoloxCurve::at(const CurvePoint& point) const {
  // The last epochs are counted in iterations, also where p is not.
  const int64_t last = point.epoch_length * num_last_epochs;
  const int64_t p = point.p + 1;
  const double target = end.of(point.base);
  if (p >= point.max - last) return target;
  return anneal(Anneal::Cos, point.base, target,
                part_of(p - point.warmup_iters, point.max - point.warmup_iters - last));
}

void CycleRatios::read(const Config& node) {
  if (!node.is_list()) {
    first = node.as_float();
    second = first / 1e5;
    return;
  }
  const auto items = node.items();
  if (items.empty() || items.size() > 2) {
    node.fail("has to be a number or two, got " + node.describe());
  }
  first = items[0].as_float();
  second = items.size() == 2 ? items[1].as_float() : first / 1e5;
}

Config CycleRatios::write() const {
  Config list = Config::list();
  list.push_back(first);
  list.push_back(second);
  return list;
}

void CyclicCurve::check() const {
  if (cyclic_times < 1 || !(step_ratio_up >= 0 && step_ratio_up < 1) ||
      !(gamma > 0 && gamma <= 1)) {
    fail<UsageError>("[schedule] cyclic_times has to be at least 1, step_ratio_up in [0, 1) and ",
                     "gamma in (0, 1], got ", cyclic_times, ", ", step_ratio_up, " and ", gamma);
  }
}

double CyclicCurve::at(const CurvePoint& point) const {
  const int64_t length = point.max / cyclic_times;
  if (length == 0) return point.base;
  const int64_t p = point.p % length;
  const double swing = raised(gamma, point.p / length);
  const auto up = static_cast<int64_t>(step_ratio_up * static_cast<double>(length));
  const auto damped = [&](double ratio) { return 1 - swing + ratio * swing; };
  if (p < up) {
    return anneal(anneal_strategy, point.base, point.base * damped(target_ratio.first),
                  part_of(p, up));
  }
  // Without a way up, mmcv takes the way down for it.
  const double from = up == 0 ? target_ratio.first : damped(target_ratio.first);
  const double to = up == 0 ? damped(target_ratio.second) : target_ratio.second;
  return anneal(anneal_strategy, point.base * from, point.base * to, part_of(p - up, length - up));
}

void OneCyclePhases::check() const {
  if (!(pct_start >= 0 && pct_start <= 1)) {
    fail<UsageError>("[schedule] pct_start has to be between 0 and 1, got ", pct_start);
  }
}

double OneCyclePhases::at(int64_t p, int64_t total, double start, double peak, double end) const {
  struct Phase {
    double last, from, to;
  };
  const double up = pct_start * static_cast<double>(total);
  const double last = static_cast<double>(total - 1);
  const std::vector<Phase> phases =
      three_phase
          ? std::vector<Phase>{{up - 1, start, peak}, {2 * up - 2, peak, start}, {last, start, end}}
          : std::vector<Phase>{{up - 1, start, peak}, {last, peak, end}};
  const auto at = std::min(static_cast<double>(p), last);
  double first = 0;
  for (const Phase& phase : phases) {
    if (at <= phase.last || &phase == &phases.back()) {
      const double length = phase.last - first;
      return anneal(anneal_strategy, phase.from, phase.to, length > 0 ? (at - first) / length : 1);
    }
    first = phase.last;
  }
  return end;
}

void OneCycleLrCurve::check() const {
  phases.check();
  if (max_lr.values.empty()) fail<UsageError>("[lr_config] OneCycle needs max_lr");
}

double OneCycleLrCurve::at(const CurvePoint& point) const {
  const int64_t total = total_steps.value_or(point.max);
  if (total < point.max) {
    fail<UsageError>("[lr_config] total_steps is ", total, ", but the run has ", point.max,
                     " iterations");
  }
  const double start = of_group("max_lr", max_lr, point) / div_factor;
  return phases.at(point.p, total, start, start * div_factor, start / final_div_factor);
}

double OneCycleMomentumCurve::at(const CurvePoint& point) const {
  const double most = of_group("max_momentum", max_momentum, point);
  return phases.at(point.p, point.max, most, of_group("base_momentum", base_momentum, point), most);
}

double warmup_factor(WarmupKind kind, double ratio, double done) {
  switch (kind) {
    case WarmupKind::Constant:
      return ratio;
    case WarmupKind::Linear:
      return 1 - (1 - done) * (1 - ratio);
    case WarmupKind::Exp:
      break;
  }
  return std::pow(ratio, 1 - done);
}

void check_warmup(const char* who, const std::optional<WarmupKind>& kind, int64_t iters,
                  double ratio) {
  if (!kind) return;
  if (iters <= 0 || !(ratio > 0 && ratio <= 1)) {
    fail<UsageError>("[", who,
                     "] warm-up needs warmup_iters above 0 and a warmup_ratio above 0 and ",
                     "at most 1, got ", iters, " and ", ratio);
  }
}

void check_counting(const char* who, bool by_epoch, bool only_iterations) {
  if (by_epoch && only_iterations) {
    fail<UsageError>("[", who, "] this policy counts iterations; by_epoch has to be false");
  }
}

Config typed_policy(const Config& config, const std::vector<std::string>& names) {
  Config own = Config::map();
  Config policy = config.at("policy");
  if (policy.is_string()) {
    std::string lower = policy.as_string();
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (std::ranges::find(names, policy.as_string()) == names.end() &&
        std::ranges::find(names, lower) != names.end()) {
      policy = lower;
    }
  }
  own.set("type", policy);
  for (const Config::Entry& entry : config.entries()) {
    if (entry.key != "policy") own.set(entry.key, entry.value);
  }
  return own;
}

}  // namespace kestrel
