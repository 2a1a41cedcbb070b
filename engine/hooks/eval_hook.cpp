#include <kestrel/engine/hooks/eval_hook.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include <kestrel/registry/nearest_name.h>

namespace kestrel {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
  }
}

/// One spelling for ours and MMDetection's names: "segm_ap50" for segm_mAP_50, "ar100" for AR@100.
std::string plain_name(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.starts_with("bbox_")) name.erase(0, 5);
  replace_all(name, "map", "ap");
  replace_all(name, "ap_5", "ap5");
  replace_all(name, "ap_7", "ap7");
  replace_all(name, "@", "");
  return name;
}

}  // namespace

const std::pair<std::string, double>& find_metric(const char* who, const NamedValues& metrics,
                                                  const std::string& name) {
  std::vector<std::string> names;
  for (const auto& metric : metrics) {
    if (metric.first == name || name == "auto") return metric;
    names.push_back(metric.first);
  }
  for (const auto& metric : metrics) {
    if (plain_name(metric.first) == plain_name(name)) return metric;
  }
  fail<UsageError>("[", who, "] there is no metric '", name, "'", did_you_mean(name, names));
}

bool says_nothing(const std::string& metric, double value) {
  return std::isnan(value) || (value == -1 && !lower_is_better(metric));
}

bool lower_is_better(const std::string& metric) {
  return metric.find("loss") != std::string::npos;
}

EvalHook::EvalHook(Evaluator evaluator, const EvalOptions& options,
                   std::shared_ptr<Checkpointer> checkpointer)
    : evaluator_(std::move(evaluator)), options_(options), checkpointer_(std::move(checkpointer)) {
  if (options.interval < 1) {
    fail<UsageError>("[evaluation] interval has to be at least 1, got ", options.interval);
  }
  if (!options.rule.empty() && options.rule != "greater" && options.rule != "less") {
    fail<UsageError>("[evaluation] rule has to be greater or less, got ", options.rule);
  }
}

bool EvalHook::is_due(const Runner& runner) const {
  const int64_t finished = runner.epoch() + 1;
  if (finished == runner.max_epochs()) return true;
  const int64_t since = finished - options_.start.value_or(0);
  return since >= 0 && since % options_.interval == 0;
}

void EvalHook::after_epoch(Runner& runner) {
  if (!is_due(runner)) return;
  runner.metrics = evaluator_(runner);
  if (checkpointer_ && !options_.save_best.empty() && !runner.metrics.empty()) keep_best(runner);
}

void EvalHook::keep_best(Runner& runner) {
  const auto& [key, score] = find_metric("evaluation", runner.metrics, options_.save_best);
  if (says_nothing(key, score)) return;
  const auto before = runner.state.find("best_score");
  if (before != runner.state.end()) {
    const double best = std::strtod(before->second.c_str(), nullptr);
    const bool less = options_.rule.empty() ? lower_is_better(key) : options_.rule == "less";
    if (!(less ? score < best : score > best)) return;
  }
  runner.state["best_score"] = fmt::format("{}", score);
  runner.state["best_epoch"] = std::to_string(runner.epoch() + 1);
  checkpointer_->save_weights("best.safetensors", runner);
}

}  // namespace kestrel
