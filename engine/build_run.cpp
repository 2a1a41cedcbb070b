#include <kestrel/engine/build_run.h>

#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include <kestrel/engine/checkpoints/pretrained.h>
#include <kestrel/engine/evaluate.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

void check_classes(const Config& model, const Dataset& dataset) {
  const Config* head = model.find("bbox_head");
  const Config* classes = head ? head->find("num_classes") : nullptr;
  if (classes && classes->as_int() != dataset.num_classes()) {
    classes->fail(fmt::format("is {}, but the data set has {} classes; set num_classes: {}",
                              classes->as_int(), dataset.num_classes(), dataset.num_classes()));
  }
}

void add_custom_hooks(Run& run) {
  const Config& list = run.config.custom_hooks;
  if (list.is_null()) return;
  for (const Config& node : list.items()) {
    run.custom_hooks.push_back(build<Hook, Module&>(node, *run.model));
    auto* ema = dynamic_cast<EmaHook*>(run.custom_hooks.back().get());
    if (ema && run.ema) node.fail("there is a moving average of the weights already");
    if (ema) run.ema = ema;
  }
}

}  // namespace

void say(const TrainOptions& options, const std::string& text) {
  if (options.log.line) options.log.line(text);
}

Run build_run(const Config& config, const TrainOptions& options) {
  Run run;
  run.config = read_run_config(config);
  keep_what_is_evaluated(run.config.evaluation, run.config.data.val);
  const DataConfig& data = run.config.data;
  run.train = build_dataset(data.train, false);
  run.val = build_dataset(data.val, true, run.train.dataset->class_names());
  check_classes(run.config.model, *run.train.dataset);
  say(options,
      fmt::format("data: {}, {}, {} classes", run.train.dataset->describe_images("training images"),
                  run.val.dataset->describe_images("validation images"),
                  run.train.dataset->num_classes()));

  run.model = build<BaseDetector>(run.config.model);
  Philox random(options.seed);
  run.model->init_weights(random);
  std::optional<std::filesystem::path> weights = options.weights;
  if (!weights && !run.config.load_from.is_null()) weights = run.config.load_from.as_string();
  if (weights) {
    say(options, load_starting_weights(*weights, *run.model, options.weights_key));
  } else {
    const auto backbone = load_pretrained(run.config.model, *run.model);
    if (!backbone.empty()) say(options, fmt::format("backbone starts from {}", backbone.string()));
  }
  run.model->to(options.device);
  add_custom_hooks(run);
  say(options, fmt::format("model: {:.2f} M parameters, {:.2f} M of them trained",
                           static_cast<double>(run.model->parameter_count()) * 1e-6,
                           static_cast<double>(run.model->parameter_count(true)) * 1e-6));
  run.task = std::make_unique<DetectionTask>(
      *run.model, run.train,
      DetectionTaskOptions{.loader = {.batch_size = data.samples_per_gpu,
                                      .workers = data.workers_per_gpu,
                                      .seed = options.seed},
                           .device = options.device,
                           .amp = options.amp,
                           .overfit_batch = options.overfit_batch,
                           .cuda_graph = options.cuda_graph});
  run.optimizer = build_optimizer(*run.model, run.config.optimizer);
  return run;
}

}  // namespace kestrel
