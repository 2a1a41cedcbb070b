#pragma once

#include <memory>
#include <string>

#include <kestrel/engine/hooks/drawing_budget.h>
#include <kestrel/engine/hooks/hook.h>

namespace kestrel {

/// A picture that is redrawn after epochs: after the first and the last, and in between as often as
/// the budget allows. What was left out is made up for when the run ends, also when it is
/// interrupted. VeryLow, after the loggers.
class PlotHook : public Hook {
 public:
  explicit PlotHook(std::shared_ptr<DrawingBudget> budget) : budget_(std::move(budget)) {}

  void after_epoch(Runner& runner) final;
  void after_run(Runner& runner) final;

 protected:
  /// Whether the epoch has changed what the picture shows; by default where it was evaluated.
  virtual bool has_news(const Runner& runner) const;
  virtual void draw(const Runner& runner) = 0;

 private:
  void redraw(const Runner& runner);

  std::shared_ptr<DrawingBudget> budget_;
  bool drawn_ = false;
  bool stale_ = false;
};

}  // namespace kestrel
