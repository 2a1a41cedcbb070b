#include <kestrel/engine/run_config.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <kestrel/kernels/log.h>
#include <kestrel/registry/option_docs.h>

namespace kestrel {
namespace {

void refuse_unsupported(const RunConfig& config) {
  if (config.runner.type != "EpochBasedRunner") {
    fail<UsageError>("[train] runner.type must be EpochBasedRunner, got ", config.runner.type);
  }
}

constexpr std::array<std::string_view, 9> kProcessSettings = {"dist_params",
                                                              "log_level",
                                                              "opencv_num_threads",
                                                              "mp_start_method",
                                                              "cudnn_benchmark",
                                                              "workflow",
                                                              "find_unused_parameters",
                                                              "auto_scale_lr",
                                                              "fp16"};

// Settings of that name that would change a run.
void check_ignored(const Config& config) {
  if (const Config* workflow = config.find("workflow");
      workflow && !(*workflow == Config::parse("[[train, 1]]"))) {
    workflow->fail("only [('train', 1)] is supported");
  }
  const Config* scale = config.find("auto_scale_lr");
  const Config* enable = scale && scale->is_map() ? scale->find("enable") : nullptr;
  if (enable && enable->as_bool()) {
    enable->fail("the learning rate is not scaled by itself: set optimizer.lr");
  }
  if (const Config* fp16 = config.find("fp16"); fp16 && !fp16->is_null()) {
    warn(fp16->location() +
         ": fp16 is without effect; --amp computes in bfloat16, which needs no "
         "scaling of losses");
  }
}

}  // namespace

Config without_variables(const Config& config) {
  check_ignored(config);
  std::set<std::string> known;
  for (const OptionDoc& option : describe_options<RunConfig>()) known.insert(option.name);
  Config result = config;
  for (const Config::Entry& entry : config.entries()) {
    const bool process = std::ranges::find(kProcessSettings, entry.key) != kProcessSettings.end();
    if (process || (entry.value.is_variable() && !known.contains(entry.key))) {
      result.erase(entry.key);
    }
  }
  return result;
}

RunConfig read_run_config(const Config& config) {
  RunConfig result = read_options<RunConfig>(config);
  refuse_unsupported(result);
  return result;
}

}  // namespace kestrel
