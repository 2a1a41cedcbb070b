#pragma once

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/layers/module.h>

namespace kestrel {

/// What the moving averages of weights have in common.
struct EmaOptions {
  double momentum = 0.0002;   ///< Share of the new weights in every update.
  int64_t interval = 1;       ///< Iterations between updates.
  bool skip_buffers = false;  ///< Running statistics are those of the model, not averages.

  template <class V>
  void visit(V& v) {
    v("momentum", momentum, "share of the new weights in every update");
    v("interval", interval, "iterations between updates");
    v("skip_buffers", skip_buffers, "running statistics are those of the model, not averages");
  }
};

/// Keeps an exponential moving average of a model's weights, the weights that are evaluated and
/// saved. It is part of a resume file.
class EmaHook : public Hook {
 public:
  void after_iter(Runner& runner) override;
  void save(Safetensors& state) const override;
  void load(const Safetensors& state) override;
  bool trains() const override { return true; }

  /// The model's state with averages in place of what is averaged; shares memory.
  StateDict weights() const;

  /// While it lives, the model has the averages, and the hook the model's own weights.
  class Swap {
   public:
    explicit Swap(EmaHook& hook) : hook_(hook) { hook_.swap(); }
    ~Swap() { hook_.swap(); }
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;

   private:
    EmaHook& hook_;
  };

 protected:
  EmaHook(const EmaOptions& options, Module& model);

  /// The momentum of the update after iteration `iter`, from 0.
  virtual double momentum(int64_t iter) const = 0;
  /// Whether there is one; by default after every `interval` iterations.
  virtual bool updates(int64_t iter) const { return (iter + 1) % options_.interval == 0; }
  const EmaOptions& options() const { return options_; }

 private:
  void start_from_model();
  void swap();
  /// f(name, the model's tensor, its average) for all that is averaged.
  template <class F>
  void for_each(F f) const;

  EmaOptions options_;
  Module& model_;
  StateDict averages_;  // in the order of the model's state; undefined where not averaged
};

struct ExpMomentumEmaOptions {
  EmaOptions common = {};
  double total_iter = 2000;  ///< In which the momentum falls from 1 to `momentum`, to 1/e.

  template <class V>
  void visit(V& v) {
    common.visit(v);
    v("total_iter", total_iter,
      "iterations in which the momentum falls from 1 to `momentum`, to 1/e");
  }
};

/// MMDetection's ExpMomentumEMAHook, as in YOLOX: (1 - m) exp(-(1 + iter) / total_iter) + m.
class ExpMomentumEmaHook final : public EmaHook {
 public:
  ExpMomentumEmaHook(const ExpMomentumEmaOptions& options, Module& model);

 private:
  double momentum(int64_t iter) const override;
  double total_iter_;
};

struct LinearMomentumEmaOptions {
  EmaOptions common = {};
  double warm_up = 100;

  template <class V>
  void visit(V& v) {
    common.visit(v);
    v("warm_up", warm_up, "iterations in which the momentum falls: (1 + iter) / (warm_up + iter)");
  }
};

/// MMDetection's LinearMomentumEMAHook: min(m^interval, (1 + iter) / (warm_up + iter)).
class LinearMomentumEmaHook final : public EmaHook {
 public:
  LinearMomentumEmaHook(const LinearMomentumEmaOptions& options, Module& model);

 private:
  double momentum(int64_t iter) const override;
  double warm_up_;
};

struct ParameterEmaOptions {
  double momentum = 0.0002;
  int64_t interval = 1;
  double warm_up = 100;

  template <class V>
  void visit(V& v) {
    v("momentum", momentum, "share of the new weights in every update");
    v("interval", interval, "iterations between updates");
    v("warm_up", warm_up, "iterations in which the momentum falls: (1 + iter) / (warm_up + iter)");
  }
};

/// mmcv's EMAHook: as LinearMomentumEMAHook with skip_buffers, but its updates come after
/// iterations 0, interval, 2 interval, and so on.
class ParameterEmaHook final : public EmaHook {
 public:
  ParameterEmaHook(const ParameterEmaOptions& options, Module& model);

 private:
  double momentum(int64_t iter) const override;
  bool updates(int64_t iter) const override { return iter % options().interval == 0; }
  double warm_up_;
};

}  // namespace kestrel
