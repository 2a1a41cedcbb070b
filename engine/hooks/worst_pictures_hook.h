#pragma once

#include <filesystem>

#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/hooks/plot_hook.h>

namespace kestrel {

struct WorstPicturesOptions {
  int64_t count = 9;
  double min_score = 0.3;

  template <class V>
  void visit(V& v) {
    v("count", count, "pictures on the sheet");
    v("min_score", min_score, "detections that count");
  }
};

/// Draws worst_pictures.jpg: the validation pictures with most errors (picture_errors.h), with what
/// was missed, dashed, and what was wrong.
class WorstPicturesHook final : public PlotHook {
 public:
  WorstPicturesHook(const WorstPicturesOptions& options, const HookContext& context);

 private:
  void draw(const Runner& runner) override;

  WorstPicturesOptions options_;
  std::filesystem::path file_;
  const Dataset* dataset_;
  const Evaluation* evaluation_;
};

}  // namespace kestrel
