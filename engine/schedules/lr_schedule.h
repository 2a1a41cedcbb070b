#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/registry/config.h>

namespace kestrel {

/// How far a run is. Epochs and iterations count from 0; max values are the run's totals.
struct Progress {
  int64_t epoch = 0;
  int64_t iter = 0;  ///< Over all epochs.
  int64_t max_epochs = 0;
  int64_t max_iters = 0;
  int64_t epoch_length = 0;
};

/// How the learning rate begins: for the first warmup_iters it is the schedule's times
/// warmup_ratio (Constant), rising from there in a line (Linear) or a geometric row (Exp).
enum class WarmupKind : uint8_t { Constant, Linear, Exp };
constexpr auto enum_names(WarmupKind) {
  return std::array{std::pair{WarmupKind::Constant, "constant"},
                    std::pair{WarmupKind::Linear, "linear"}, std::pair{WarmupKind::Exp, "exp"}};
}

/// What all schedules share, under mmcv's names.
struct LrOptions {
  bool by_epoch = true;
  std::optional<WarmupKind> warmup = {};
  int64_t warmup_iters = 0;
  double warmup_ratio = 0.1;
  bool warmup_by_epoch = false;

  template <class V>
  void visit(V& v) {
    v("by_epoch", by_epoch, "the schedule sees epochs, else iterations");
    v("warmup", warmup, "how the learning rate rises at first; null: it does not");
    v("warmup_iters", warmup_iters, "iterations of it; epochs with warmup_by_epoch");
    v("warmup_ratio", warmup_ratio, "share of the learning rate that it begins with");
    v("warmup_by_epoch", warmup_by_epoch, "warmup_iters counts epochs");
  }
};

/// The learning rate as a function of progress. Warm-up counts iterations, whatever the schedule
/// counts.
class LrSchedule {
 public:
  static constexpr const char* kKind = "schedule";

  explicit LrSchedule(const LrOptions& options) : options_(options) {}
  virtual ~LrSchedule() = default;

  double lr(double base, const Progress& progress) const;

 protected:
  /// Without warm-up, at p of max.
  virtual double regular(double base, int64_t p, int64_t max) const = 0;

 private:
  LrOptions options_;
};

/// Builds from MMDetection's lr_config: {policy: step, step: [8, 11], warmup: linear, ...}.
/// Policies are fixed, step, exp, poly, inv, CosineAnnealing.
std::unique_ptr<LrSchedule> build_lr_schedule(const Config& config);

struct FixedLrOptions {
  LrOptions common = {};
  template <class V>
  void visit(V& v) {
    common.visit(v);
  }
};

/// base.
class FixedLr final : public LrSchedule {
 public:
  explicit FixedLr(const FixedLrOptions& options) : LrSchedule(options.common) {}

 protected:
  double regular(double base, int64_t, int64_t) const override { return base; }
};

/// Where the learning rate steps down: at milestones, or every n.
struct LrSteps {
  std::vector<int64_t> milestones = {};
  int64_t every = 0;

  static std::string type_text() { return "int or list of int"; }
  void read(const Config& node);
  Config write() const;
};

struct StepLrOptions {
  LrOptions common = {};
  LrSteps step = {};
  double gamma = 0.1;
  std::optional<double> min_lr = {};
  template <class V>
  void visit(V& v) {
    common.visit(v);
    v("step", step, "where the learning rate falls, or after every so many");
    v("gamma", gamma, "factor of each fall");
    v("min_lr", min_lr, "the learning rate does not fall below this");
  }
};

/// base * gamma^(number of milestones <= p), or base * gamma^(p / every).
class StepLr final : public LrSchedule {
 public:
  explicit StepLr(const StepLrOptions& options);

 protected:
  double regular(double base, int64_t p, int64_t max) const override;

 private:
  StepLrOptions options_;
};

struct ExpLrOptions {
  LrOptions common = {};
  double gamma = 0.1;
  template <class V>
  void visit(V& v) {
    common.visit(v);
    v("gamma", gamma, "factor of every epoch or iteration");
  }
};

/// base * gamma^p.
class ExpLr final : public LrSchedule {
 public:
  explicit ExpLr(const ExpLrOptions& options) : LrSchedule(options.common), options_(options) {}

 protected:
  double regular(double base, int64_t p, int64_t max) const override;

 private:
  ExpLrOptions options_;
};

struct PolyLrOptions {
  LrOptions common = {};
  double power = 1;
  double min_lr = 0;
  template <class V>
  void visit(V& v) {
    common.visit(v);
    v("power", power, "exponent of what is left of the run");
    v("min_lr", min_lr, "the learning rate does not fall below this");
  }
};

/// (base - min_lr) (1 - p/max)^power + min_lr.
class PolyLr final : public LrSchedule {
 public:
  explicit PolyLr(const PolyLrOptions& options) : LrSchedule(options.common), options_(options) {}

 protected:
  double regular(double base, int64_t p, int64_t max) const override;

 private:
  PolyLrOptions options_;
};

struct InvLrOptions {
  LrOptions common = {};
  double gamma = 0;
  double power = 1;
  template <class V>
  void visit(V& v) {
    common.visit(v);
    v("gamma", gamma, "how soon it falls");
    v("power", power, "how much it falls");
  }
};

/// base (1 + gamma p)^-power.
class InvLr final : public LrSchedule {
 public:
  explicit InvLr(const InvLrOptions& options) : LrSchedule(options.common), options_(options) {}

 protected:
  double regular(double base, int64_t p, int64_t max) const override;

 private:
  InvLrOptions options_;
};

struct CosineLrOptions {
  LrOptions common = {};
  std::optional<double> min_lr = {};
  std::optional<double> min_lr_ratio = {};
  template <class V>
  void visit(V& v) {
    common.visit(v);
    v("min_lr", min_lr, "the learning rate at the end; this or the next, else 0");
    v("min_lr_ratio", min_lr_ratio, "the end as a share of the beginning");
  }
};

/// end + (base - end) (1 + cos(pi p/max)) / 2.
class CosineLr final : public LrSchedule {
 public:
  explicit CosineLr(const CosineLrOptions& options);

 protected:
  double regular(double base, int64_t p, int64_t max) const override;

 private:
  CosineLrOptions options_;
};

}  // namespace kestrel
