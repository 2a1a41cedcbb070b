#pragma once

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/layers/module.h>

struct WeightLimitOptions {
  double limit = 1000;
  int64_t interval = 10;

  template <class V>
  void visit(V& v) {
    v("limit", limit, "the run ends where a weight is larger than this");
    v("interval", interval, "iterations between looks");
  }
};

/// Ends a run whose weights grow beyond all measure.
class WeightLimitHook : public kestrel::Hook {
 public:
  WeightLimitHook(const WeightLimitOptions& options, kestrel::Module& model);
  void after_iter(kestrel::Runner& runner) override;
  bool trains() const override { return true; }

 private:
  WeightLimitOptions options_;
  kestrel::Module& model_;
  int64_t iterations_ = 0;
};
