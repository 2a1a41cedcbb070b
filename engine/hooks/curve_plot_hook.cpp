#include <kestrel/engine/hooks/curve_plot_hook.h>

#include <kestrel/engine/plots/training_curves.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

const HookRegistration<CurvePlotHook, NoOptions> kCurves{"CurvePlotHook",
                                                         "draws the curves of the run"};

}  // namespace

CurvePlotHook::CurvePlotHook(const NoOptions&, const HookContext& context)
    : PlotHook(context.budget), folder_(context.folder) {}

bool CurvePlotHook::has_news(const Runner&) const {
  return true;
}

void CurvePlotHook::draw(const Runner&) {
  const std::filesystem::path file = folder_ / "metrics.jsonl";
  if (!std::filesystem::exists(file)) {
    fail<UsageError>("[results.png] there is no ", file.string(),
                     " to draw; add {type: JsonLoggerHook} to log_config.hooks");
  }
  const std::filesystem::path name = std::filesystem::absolute(folder_).filename();
  write_image(folder_ / "results.png", training_curves(read_history(file), name.string()));
}

}  // namespace kestrel
