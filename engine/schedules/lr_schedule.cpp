#include <kestrel/engine/schedules/lr_schedule.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<LrSchedule, FixedLr, FixedLrOptions> kFixed{"fixed", "the learning rate stays"};
const Registration<LrSchedule, StepLr, StepLrOptions> kStep{"step",
                                                            "falls by a factor at milestones"};
const Registration<LrSchedule, ExpLr, ExpLrOptions> kExp{"exp", "falls by a factor every epoch"};
const Registration<LrSchedule, PolyLr, PolyLrOptions> kPoly{
    "poly", "falls as a power of what is left of the run"};
const Registration<LrSchedule, InvLr, InvLrOptions> kInv{
    "inv", "falls as a power of what is done of the run"};
const Registration<LrSchedule, CosineLr, CosineLrOptions> kCosine{"CosineAnnealing",
                                                                  "falls along half a cosine"};

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

double part(int64_t p, int64_t max) {
  return max > 0 ? static_cast<double>(p) / static_cast<double>(max) : 0;
}

}  // namespace

double LrSchedule::lr(double base, const Progress& progress) const {
  const double value = options_.by_epoch ? regular(base, progress.epoch, progress.max_epochs)
                                         : regular(base, progress.iter, progress.max_iters);
  if (!options_.warmup) return value;
  const int64_t iters = options_.warmup_by_epoch ? options_.warmup_iters * progress.epoch_length
                                                 : options_.warmup_iters;
  if (progress.iter >= iters) return value;
  return value * warmup_factor(*options_.warmup, options_.warmup_ratio, part(progress.iter, iters));
}

std::unique_ptr<LrSchedule> build_lr_schedule(const Config& config) {
  Config own = Config::map();
  own.set("type", config.at("policy"));
  for (const Config::Entry& entry : config.entries()) {
    if (entry.key != "policy") own.set(entry.key, entry.value);
  }
  return build<LrSchedule>(own);
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

StepLr::StepLr(const StepLrOptions& options) : LrSchedule(options.common), options_(options) {}

double StepLr::regular(double base, int64_t p, int64_t) const {
  const LrSteps& step = options_.step;
  const int64_t steps =
      step.every > 0 ? p / step.every
                     : std::ranges::count_if(step.milestones, [p](int64_t m) { return m <= p; });
  const double value = base * std::pow(options_.gamma, static_cast<double>(steps));
  return options_.min_lr ? std::max(value, *options_.min_lr) : value;
}

double ExpLr::regular(double base, int64_t p, int64_t) const {
  return base * std::pow(options_.gamma, static_cast<double>(p));
}

double PolyLr::regular(double base, int64_t p, int64_t max) const {
  return (base - options_.min_lr) * std::pow(1 - part(p, max), options_.power) + options_.min_lr;
}

double InvLr::regular(double base, int64_t p, int64_t) const {
  return base * std::pow(1 + options_.gamma * static_cast<double>(p), -options_.power);
}

CosineLr::CosineLr(const CosineLrOptions& options) : LrSchedule(options.common), options_(options) {
  if (options.min_lr && options.min_lr_ratio) {
    fail<UsageError>("[lr_config] min_lr and min_lr_ratio are both given; give one");
  }
}

double CosineLr::regular(double base, int64_t p, int64_t max) const {
  const double end =
      options_.min_lr_ratio ? base * *options_.min_lr_ratio : options_.min_lr.value_or(0);
  return end + 0.5 * (base - end) * (1 + std::cos(std::numbers::pi * part(p, max)));
}

}  // namespace kestrel
