#include <kestrel/engine/foreign_settings.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/engine/run_config.h>
#include <kestrel/registry/nearest_name.h>
#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

/// MMDetection's settings that have nothing to act on here, with the reason.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kWithoutEffect = {{
    {"dist_params", "there is one process"},
    {"find_unused_parameters", "there is one process"},
    {"gpu_ids", "--device chooses"},
    {"opencv_num_threads", "images are decoded without OpenCV"},
    {"mp_start_method", "workers are threads"},
    {"log_level", "all is logged"},
    {"cudnn_benchmark", "the faster convolution is always measured"},
    {"fp16", "--amp computes in bfloat16, which needs no scaling of losses"},
    {"work_dir", "--out names the folder"},
}};

/// [('train', 1)]: an epoch of training, again and again.
void check_workflow(const Config& workflow) {
  const auto is_training = [](const Config& step) {
    return step.is_list() && step.size() == 2 && step.items()[0] == Config("train");
  };
  if (!workflow.is_list() || !std::ranges::all_of(workflow.items(), is_training)) {
    workflow.fail(
        "must be [('train', 1)]: the validation set is looked at by evaluation, whose interval "
        "says when");
  }
}

std::vector<std::string> run_keys() {
  RunConfig run;
  return write_options(run).keys();
}

bool is_of_python(const Config& node) {
  const std::string place = node.location();
  return place.find(".py:") != std::string::npos || place.ends_with(".py");
}

}  // namespace

void drop_foreign_settings(Config& config, const std::function<void(std::string_view)>& say) {
  const std::vector<std::string> known = run_keys();
  std::vector<std::string> dropped;
  for (const Config::Entry& entry : config.entries()) {
    if (std::ranges::find(known, entry.key) != known.end()) continue;
    const auto* reason =
        std::ranges::find(kWithoutEffect, entry.key, [](const auto& pair) { return pair.first; });
    if (reason != kWithoutEffect.end()) {
      if (!entry.value.is_null()) {
        say(entry.key + " is without effect: " + std::string(reason->second));
      }
    } else if (entry.key == "workflow") {
      check_workflow(entry.value);
    } else if (is_of_python(entry.value)) {
      // A variable; or a setting that is misspelt.
      const std::string near = did_you_mean(entry.key, known);
      if (!near.empty()) say(entry.key + " is a variable that nothing reads" + near);
    } else {
      continue;  // refused by read_run_config
    }
    dropped.push_back(entry.key);
  }
  for (const std::string& key : dropped) config.erase(key);
}

}  // namespace kestrel
