#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <kestrel/data/datasets/open.h>
#include <kestrel/engine/checkpoints/pretrained.h>
#include <kestrel/kernels/log.h>

#include "program.h"
#include "run_options.h"

namespace {

using namespace kestrel;
namespace fs = std::filesystem;

struct Options {
  std::optional<std::string> data;
  std::string config;
  std::optional<int64_t> depth;
  std::optional<int64_t> epochs;
  std::optional<double> lr;
  std::optional<int64_t> image_size;
  std::optional<int64_t> workers;
  bool print_config = false;
  apps::RunOptions run;
};

/// The configs beside the program: installed in share/kestrel, or in the source tree.
fs::path config_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed = program.parent_path().parent_path() / "share/kestrel/configs";
  return fs::exists(installed) ? installed : fs::path(KESTREL_CONFIGS);
}

/// The data set's own keys in place of those of the config's, its pipeline kept.
void use_dataset(Config& config, const std::string& part, const DatasetOptions& found) {
  Config dataset = to_config(found);
  dataset.erase("test_mode");
  Config data = config.at("data");
  dataset.set("pipeline", data.at(part).at("pipeline"));
  data.set(part, dataset);
  config.set("data", data);
}

/// What is wrong with the data set is told when it is opened for training.
int64_t count_classes(const std::string& data) {
  struct Silence {
    WarningSink previous = set_warning_sink({});
    ~Silence() { set_warning_sink(std::move(previous)); }
  } silence;
  return open_dataset({.name_or_path = data, .split = Split::Train})->num_classes();
}

/// MMDetection trains its 1x schedule with 0.01 for 16 images; the rate goes with the batch.
constexpr double kLrPerImage = 0.01 / 16;

/// The config to start from: --config, or the recipe for the data.
Config base_config(const Options& o, bool generated) {
  if (!o.config.empty()) return Config::load(o.config);
  return Config::load(config_folder() / (generated ? "retinanet/retinanet_r18_fpn_shapes.yaml"
                                                   : "retinanet/retinanet_r50_fpn_1x_coco.yaml"));
}

bool is_generated(const Config& config) {
  return config.at("data").at("train").at("type") == Config("ShapesDataset");
}

void use_data(Config& config, const std::string& data) {
  const fs::path folder = find_dataset(data);
  use_dataset(config, "train", recognise(folder, Split::Train));
  use_dataset(config, "val", recognise(folder, Split::Val));
  use_dataset(config, "test", recognise(folder, Split::Test));
  config.apply_override("model.bbox_head.num_classes=" + std::to_string(count_classes(data)));
}

/// Without pretrained weights a frozen backbone would stay random: train all of it.
void train_from_scratch_if_needed(Config& config, const std::vector<std::string>& overrides) {
  Config wanted = config;
  for (const std::string& assignment : overrides) wanted.apply_override(assignment);
  const Config* init = wanted.at("model").at("backbone").find("init_cfg");
  if (!init || init->is_null()) return;
  const std::string checkpoint = init->at("checkpoint").as_string();
  if (!find_pretrained(checkpoint).empty()) return;
  apps::console_log().line(
      checkpoint +
      " was not found in $KESTREL_WEIGHTS or ./weights: training from scratch, nothing frozen, "
      "batch statistics in the backbone");
  for (const char* assignment :
       {"model.backbone.init_cfg=None", "model.backbone.frozen_stages=-1",
        "model.backbone.norm_eval=false", "model.backbone.zero_init_residual=false"}) {
    config.apply_override(assignment);
  }
}

/// The config that the options make of a base: a recipe, or that of a run that goes on.
Config make_config(const Options& o, const std::optional<StoredRun>& stored) {
  const std::string data = o.data.value_or("shapes");
  Config config = stored ? stored->config : base_config(o, data == "shapes");
  const auto set = [&](const std::string& key, const auto& value) {
    config.apply_override(key + "=" + CLI::detail::to_string(value));
  };
  if (o.depth) {
    set("model.backbone.depth", *o.depth);
    const bool basic = *o.depth < 50;
    config.apply_override(basic ? "model.neck.in_channels=[64, 128, 256, 512]"
                                : "model.neck.in_channels=[256, 512, 1024, 2048]");
    if (const Config* init = config.at("model").at("backbone").find("init_cfg");
        init && !init->is_null()) {
      set("model.backbone.init_cfg.checkpoint", "torchvision://resnet" + std::to_string(*o.depth));
    }
  }
  if (data != "shapes") use_data(config, data);
  const bool generated = is_generated(config);
  if (o.workers) set("data.workers_per_gpu", *o.workers);
  if (o.epochs) set("runner.max_epochs", *o.epochs);
  if (o.image_size) {
    const std::string scale =
        generated ? std::to_string(*o.image_size) : std::to_string(*o.image_size * 5 / 3);
    const std::string pair = "[" + scale + ", " + std::to_string(*o.image_size) + "]";
    config.apply_override("data.train.pipeline.2.img_scale=" + pair);
    config.apply_override("data.val.pipeline.1.img_scale=" + pair);
    config.apply_override("data.test.pipeline.1.img_scale=" + pair);
  }
  if (o.lr) set("optimizer.lr", *o.lr);
  if (!stored) train_from_scratch_if_needed(config, o.run.overrides);
  apply_run_options(config, o.run);
  if (!o.lr && !generated && o.config.empty() && !stored) {
    set("optimizer.lr",
        kLrPerImage * static_cast<double>(config.at("data").at("samples_per_gpu").as_int()));
    for (const std::string& assignment : o.run.overrides) config.apply_override(assignment);
  }
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Trains RetinaNet. Without options: on generated pictures of shapes, in some minutes.\n"
      "Evaluates after epochs; leaves weights, results.csv and pictures in the run's folder.",
      "train_retinanet");
  Options o;
  app.add_option(
      "--data", o.data,
      "shapes (generated), a directory in COCO, VOC or YOLO form, a YOLO data set's YAML, or "
      "a name such as coco (data/coco, then $KESTREL_DATA/coco) [shapes]");
  app.add_option("--config", o.config,
                 "config file to start from [retinanet_r50_fpn_1x_coco, for shapes "
                 "retinanet_r18_fpn_shapes]")
      ->check(CLI::ExistingFile);
  app.add_option("--depth", o.depth, "of the ResNet")->check(CLI::IsMember({18, 34, 50, 101, 152}));
  app.add_option("--epochs", o.epochs, "passes over the training images")
      ->check(CLI::PositiveNumber);
  app.add_option("--lr", o.lr, "learning rate [the config's; COCO's goes with --batch]")
      ->check(CLI::PositiveNumber);
  app.add_option("--image-size", o.image_size, "shorter side of the network's input in pixels")
      ->check(CLI::Range(32, 8192));
  app.add_option("--workers", o.workers, "threads that read images")->check(CLI::NonNegativeNumber);
  app.add_flag("--print-config", o.print_config, "show the resolved config and stop");
  apps::add_run_options(app, o.run);
  app.callback([&] {
    if (!o.config.empty()) o.config = fs::absolute(o.config);
    const auto stored = apps::find_stored_run(o.run, "retinanet");
    const Config config = make_config(o, stored);
    if (o.print_config) {
      apps::console_log().line(config.to_yaml());
      return;
    }
    apps::run_training(config, o.run, "retinanet", stored);
  });
  return apps::run_program(app, argc, argv);
}
