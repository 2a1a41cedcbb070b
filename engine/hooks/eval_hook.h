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
  int64_t interval = 1;
  std::optional<int64_t> start = {};
  OneOrMore<std::string> metric = {};
  bool classwise = false;
  /// These go to the evaluator where they are given.
  Config iou_thrs = {}, proposal_nums = {}, metric_items = {}, iou_thr = {}, scale_ranges = {};
  Config evaluator = {};
  std::string save_best = "auto";
  /// Whether a "greater" or a "less" value of save_best is better; "": by its name.
  std::string rule;

  template <class V>
  void visit(V& v) {
    v("interval", interval, "epochs; the last epoch is always evaluated");
    v("start", start, "first epoch, from 1, that is evaluated");
    v("metric", metric,
      "bbox, segm, proposal, proposal_fast, mAP or recall; none: what the data set is for");
    v("classwise", classwise, "numbers of each class, too");
    v("iou_thrs", iou_thrs, "of CocoEvaluator");
    v("proposal_nums", proposal_nums, "of CocoEvaluator or RecallEvaluator");
    v("metric_items", metric_items, "of CocoEvaluator");
    v("iou_thr", iou_thr, "of VocEvaluator or RecallEvaluator");
    v("scale_ranges", scale_ranges, "of VocEvaluator");
    v("evaluator", evaluator, "{type: ...}, instead of the one that knows `metric`");
    v("save_best", save_best,
      "the metric by which best.safetensors is chosen; auto: the first; \"\": none");
    v("rule", rule, "whether a greater or a less value of save_best is better; \"\": by its name");
  }
};

/// The metric of that name, "auto" for the first one; not of none. MMDetection's names do as well:
/// bbox_mAP_50 for ap50, segm_mAP for segm_ap, mAP for map. Throws UsageError, `who` said it.
const std::pair<std::string, double>& find_metric(const char* who, const NamedValues& metrics,
                                                  const std::string& name);
/// Whether a metric says nothing: NaN, or COCO's -1 where nothing of the kind is annotated.
bool says_nothing(const std::string& metric, double value);
/// Whether a metric is a loss, by its name.
bool lower_is_better(const std::string& metric);

/// Evaluates after epochs, leaves the metrics in runner.metrics, and keeps the best weights as
/// best.safetensors: by `rule`, else higher is better, except for a metric with "loss" in its name;
/// one that says nothing never is. Low.
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
