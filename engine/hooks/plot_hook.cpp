#include <kestrel/engine/hooks/plot_hook.h>

#include <kestrel/engine/runner.h>

namespace kestrel {

bool PlotHook::has_news(const Runner& runner) const {
  return !runner.metrics.empty();
}

void PlotHook::after_epoch(Runner& runner) {
  stale_ = stale_ || has_news(runner);
  if (!stale_) return;
  const bool last = runner.epoch() + 1 == runner.max_epochs();
  if (!drawn_ || last || budget_->allows()) redraw(runner);
}

void PlotHook::after_run(Runner& runner) {
  if (stale_) redraw(runner);
}

void PlotHook::redraw(const Runner& runner) {
  stale_ = false;  // also where drawing fails: it is told of once
  drawn_ = true;
  const auto start = DrawingBudget::Clock::now();
  draw(runner);
  budget_->spend(DrawingBudget::Clock::now() - start);
}

}  // namespace kestrel
