#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <kestrel/engine/checkpoints/checkpoint.h>
#include <kestrel/engine/hooks/hook.h>
#include <kestrel/registry/options.h>

namespace kestrel {

/// MMDetection's evaluation.
struct EvalOptions {
  int64_t interval = 1;               ///< Epochs; the last epoch is always evaluated.
  std::optional<int64_t> start = {};  ///< First epoch, from 1, that is evaluated.
  /// What is evaluated: bbox, segm, proposal, mAP; none: what the data set is for.
  OneOrMore<std::string> metric = {};
  bool classwise = false;  ///< Numbers of each class, too.
  Config evaluator = {};   ///< {type: ...}, instead of the one that knows `metric`.
  /// The metric by which best.safetensors is chosen, "auto" for the first one, "" for none.
  std::string save_best = "auto";
  /// Whether a "greater" or a "less" value of save_best is better; "": by its name.
  std::string rule = "";

  template <class V>
  void visit(V& v) {
    v("interval", interval);
    v("start", start);
    v("metric", metric);
    v("classwise", classwise);
    v("evaluator", evaluator);
    v("save_best", save_best);
    v("rule", rule);
  }
};

/// The metric of that name, "auto" for the first one; not of none. MMDetection's names do as well:
/// bbox_mAP_50 for ap50, segm_mAP for segm_ap, mAP for map. Throws UsageError, `who` said it.
const std::pair<std::string, double>& find_metric(const char* who, const NamedValues& metrics,
                                                  const std::string& name);
/// Whether a metric is a loss, by its name.
bool lower_is_better(const std::string& metric);

/// Evaluates after epochs, leaves the metrics in runner.metrics, and keeps the best weights as
/// best.safetensors: by `rule`, else higher is better, except for a metric with "loss" in its name;
/// NaN never is.
/// Low.
class EvalHook final : public Hook {
 public:
  using Evaluator = std::function<NamedValues(Runner& runner)>;

  /// Without a checkpointer nothing is saved.
  EvalHook(Evaluator evaluator, const EvalOptions& options = {},
           std::shared_ptr<Checkpointer> checkpointer = nullptr);

  void after_epoch(Runner& runner) override;
  bool trains() const override { return true; }

 private:
  bool is_due(const Runner& runner) const;
  void keep_best(Runner& runner);

  Evaluator evaluator_;
  EvalOptions options_;
  std::shared_ptr<Checkpointer> checkpointer_;
};

}  // namespace kestrel
