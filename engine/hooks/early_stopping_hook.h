#pragma once

#include <string>

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/layers/module.h>

namespace kestrel {

struct EarlyStoppingOptions {
  int64_t patience = 10;
  std::string monitor = "auto";
  double min_delta = 0;

  template <class V>
  void visit(V& v) {
    v("patience", patience, "evaluations without improvement after which the run ends");
    v("monitor", monitor, "the metric that counts; \"auto\": the first");
    v("min_delta", min_delta, "an improvement is larger than that");
  }
};

/// Ends a run whose evaluations do not get better: higher is better, except for a metric with
/// "loss" in its name. What it has seen is part of a resume file. To be called after the
/// evaluation.
class EarlyStoppingHook final : public Hook {
 public:
  EarlyStoppingHook(const EarlyStoppingOptions& options, Module& model);

  void before_run(Runner& runner) override;
  void after_epoch(Runner& runner) override;
  bool trains() const override { return true; }

 private:
  EarlyStoppingOptions options_;
};

}  // namespace kestrel
