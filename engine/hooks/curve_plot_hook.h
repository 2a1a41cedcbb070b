#pragma once

#include <filesystem>

#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/hooks/plot_hook.h>

namespace kestrel {

/// Draws results.png, the curves of losses, learning rate and metrics, from the metrics.jsonl that
/// JsonLoggerHook keeps.
class CurvePlotHook final : public PlotHook {
 public:
  CurvePlotHook(const NoOptions& options, const HookContext& context);

 private:
  bool has_news(const Runner& runner) const override;
  void draw(const Runner& runner) override;

  std::filesystem::path folder_;
};

}  // namespace kestrel
