#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <kestrel/data/datasets/open.h>
#include <kestrel/engine/checkpoints/pretrained.h>
#include <kestrel/engine/recipe/small_set_recipe.h>
#include <kestrel/kernels/log.h>

#include "data_options.h"
#include "program.h"
#include "run_options.h"

namespace {

using namespace kestrel;
namespace fs = std::filesystem;

struct Options {
  std::optional<std::string> data;
  RecogniseOptions recognise;
  std::string config;
  std::optional<int64_t> depth;
  std::optional<int64_t> epochs;
  std::optional<double> lr;
  std::optional<int64_t> image_size;
  std::optional<int64_t> workers;
  bool class_balanced = false;
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
DataSurvey survey_quietly(const std::string& data, const RecogniseOptions& recognise) {
  struct Silence {
    WarningSink previous = set_warning_sink({});
    ~Silence() { set_warning_sink(std::move(previous)); }
  } silence;
  return survey(
      *open_dataset({.name_or_path = data, .split = Split::Train, .recognise = recognise}));
}

/// MMDetection trains its 1x schedule with 0.01 for 16 images; the rate goes with the batch.
constexpr double kLrPerImage = 0.01 / 16;

Config load_recipe(const char* name) {
  return Config::load(config_folder() / "retinanet" / name);
}

bool is_generated(const Config& config) {
  return config.at("data").at("train").at("type") == Config("ShapesDataset");
}

void use_data(Config& config, const std::string& data, const RecogniseOptions& options,
              const DataSurvey& found) {
  const fs::path folder = find_dataset(data);
  use_dataset(config, "train", recognise(folder, Split::Train, options));
  use_dataset(config, "val", recognise(folder, Split::Val, options));
  use_dataset(config, "test", recognise(folder, Split::Test, options));
  config.apply_override("model.bbox_head.num_classes=" + std::to_string(found.classes.size()));
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

void set_value(Config& config, const std::string& key, const auto& value) {
  config.apply_override(key + "=" + CLI::detail::to_string(value));
}

void use_depth(Config& config, int64_t depth) {
  set_value(config, "model.backbone.depth", depth);
  config.apply_override(depth < 50 ? "model.neck.in_channels=[64, 128, 256, 512]"
                                   : "model.neck.in_channels=[256, 512, 1024, 2048]");
  if (const Config* init = config.at("model").at("backbone").find("init_cfg");
      init && !init->is_null()) {
    set_value(config, "model.backbone.init_cfg.checkpoint",
              "torchvision://resnet" + std::to_string(depth));
  }
}

void use_image_size(Config& config, int64_t side) {
  const int64_t longer = is_generated(config) ? side : side * 5 / 3;
  const std::string pair = "[" + std::to_string(longer) + ", " + std::to_string(side) + "]";
  for (const char* place : {"train.pipeline.2", "val.pipeline.1", "test.pipeline.1"}) {
    config.apply_override(std::string("data.") + place + ".img_scale=" + pair);
  }
}

/// The backbone's weights, where they lie.
bool use_pretrained_if_found(Config& config) {
  const int64_t depth = config.at("model").at("backbone").at("depth").as_int();
  const std::string checkpoint = "torchvision://resnet" + std::to_string(depth);
  if (find_pretrained(checkpoint).empty()) return false;
  for (const std::string& assignment :
       {"model.backbone.init_cfg={type: Pretrained, checkpoint: '" + checkpoint + "'}",
        std::string("model.backbone.frozen_stages=1"), std::string("model.backbone.norm_eval=true"),
        std::string("model.backbone.zero_init_residual=true")}) {
    config.apply_override(assignment);
  }
  return true;
}

/// The recipe for small sets, and what it says of itself.
Config small_set_config(const Options& o, const DataSurvey& found,
                        std::vector<std::string>& notes) {
  Config config = load_recipe("retinanet_r18_fpn_small.yaml");
  if (o.depth) use_depth(config, *o.depth);
  RecipeWishes wishes{.image_size = o.image_size, .epochs = o.epochs, .lr = o.lr};
  if (o.run.batch && *o.run.batch != "auto") wishes.batch = std::stoll(*o.run.batch);
  wishes.pretrained = use_pretrained_if_found(config);
  const Recipe recipe = small_set_recipe(found, wishes);
  for (const std::string& assignment : recipe.overrides) config.apply_override(assignment);
  notes.push_back("recipe for a small set (--config takes another one):");
  for (const RecipeChoice& choice : recipe.choices) {
    notes.push_back("  " + choice.what + ": " + choice.value + " (" + choice.why + ")");
  }
  return config;
}

/// Pictures with rare classes come more often.
void balance_classes(Config& config) {
  Config data = config.at("data");
  Config balanced = Config::map();
  balanced.set("type", "ClassBalancedDataset");
  balanced.set("filter_empty_gt", true);
  balanced.set("dataset", data.at("train"));
  data.set("train", balanced);
  config.set("data", data);
}

/// COCO's recipe, and that of --config, with what the options change.
Config standard_config(const Options& o, Config config) {
  if (o.depth) use_depth(config, *o.depth);
  if (o.epochs) set_value(config, "runner.max_epochs", *o.epochs);
  if (o.image_size) use_image_size(config, *o.image_size);
  if (o.lr) set_value(config, "optimizer.lr", *o.lr);
  return config;
}

/// The config that the options make of a base: a recipe, or that of a run that goes on.
Config make_config(Options& o, const std::optional<StoredRun>& stored) {
  // A COCO file that is named needs no directory.
  const fs::path& named = o.recognise.annotations;
  const std::string data =
      o.data.value_or(named.empty() ? "shapes" : fs::absolute(named).parent_path().string());
  const bool own_data = data != "shapes";
  const DataSurvey found = own_data ? survey_quietly(data, o.recognise) : DataSurvey{};
  const bool by_recipe = !stored && o.config.empty();
  const bool small = by_recipe && own_data && found.images <= kSmallSet;
  int64_t epochs_before = 0;
  const auto standard = [&](Config base) {
    epochs_before = base.at("runner").at("max_epochs").as_int();
    return standard_config(o, std::move(base));
  };
  Config config = small    ? small_set_config(o, found, o.run.notes)
                  : stored ? standard(stored->config)
                  : !o.config.empty()
                      ? standard(Config::load(o.config))
                      : standard(load_recipe(own_data ? "retinanet_r50_fpn_1x_coco.yaml"
                                                      : "retinanet_r18_fpn_shapes.yaml"));
  if (own_data) use_data(config, data, o.recognise, found);
  if (!stored && own_data && !small) {
    const int64_t batch = o.run.batch && *o.run.batch != "auto"
                              ? std::stoll(*o.run.batch)
                              : config.at("data").at("samples_per_gpu").as_int();
    const int64_t steps = (found.images + batch - 1) / batch;
    for (const std::string& change : fit_schedule(
             config, epochs_before, steps * config.at("runner").at("max_epochs").as_int())) {
      o.run.notes.push_back(change);
    }
  }
  if (o.class_balanced && !stored) balance_classes(config);
  if (o.workers) set_value(config, "data.workers_per_gpu", *o.workers);
  if (!stored) train_from_scratch_if_needed(config, o.run.overrides);
  apply_run_options(config, o.run);
  if (by_recipe && own_data && !small && !o.lr) {
    set_value(config, "optimizer.lr",
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
      "shapes (generated), a directory in COCO, VOC, YOLO, LabelMe, CVAT or CSV form, a YOLO data "
      "set's YAML, or a name such as coco (data/coco, then $KESTREL_DATA/coco) [shapes]");
  apps::add_data_options(app, o.recognise);
  app.add_option(
         "--config", o.config,
         "config file to start from [chosen by the data: retinanet_r18_fpn_small, with what "
         "fits the set, for up to 2000 pictures, else retinanet_r50_fpn_1x_coco; for shapes "
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
  app.add_flag("--class-balanced", o.class_balanced,
               "show pictures with rare classes more often (ClassBalancedDataset)");
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
