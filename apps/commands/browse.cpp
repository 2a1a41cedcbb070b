#include "browse.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/data/image.h>
#include <kestrel/data/transforms/pad.h>
#include <kestrel/data/transforms/random_flip.h>
#include <kestrel/data/transforms/resize.h>
#include <kestrel/engine/records/output_file.h>
#include <kestrel/engine/tools/browse.h>

#include "../program.h"

namespace kestrel::apps {
namespace {

struct BrowseCommand {
  std::string data;
  std::string split = "train";
  std::string out = "browse.jpg";
  std::vector<std::string> overrides;
  BrowseOptions sheet;
};

/// A config of a run, not the YAML of a YOLO data set.
bool is_config(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) return false;
  const Config config = Config::load(path);
  const Config* data = config.find("data");
  return data != nullptr && data->is_map() && data->contains("train");
}

ConfiguredDataset open(const BrowseCommand& o) {
  if (is_config(o.data)) {
    Config config = Config::load(o.data);
    for (const std::string& assignment : o.overrides) config.apply_override(assignment);
    const Config& node = config.at("data").at(o.split);
    ConfiguredDataset found = build_dataset(node, o.split != "train");
    found.pipeline = Pipeline(without_normalize(find_pipeline(node)));
    return found;
  }
  if (!o.overrides.empty()) fail<UsageError>("[browse] --set is for a config, not for ", o.data);
  const Split split = o.split == "train" ? Split::Train
                      : o.split == "val" ? Split::Val
                                         : Split::Test;
  ConfiguredDataset found;
  found.dataset = open_dataset({.name_or_path = o.data, .split = split});
  // As the RetinaNet recipes have it.
  found.pipeline =
      Pipeline()
          .add<Resize>(ResizeOptions{.img_scale = {{1333, 800}}})
          .add<RandomFlip>(RandomFlipOptions{.flip_ratio = {{split == Split::Train ? 0.5 : 0.0}}})
          .add<Pad>(PadOptions{.size_divisor = 32});
  return found;
}

}  // namespace

void add_browse(CLI::App& app) {
  auto o = std::make_shared<BrowseCommand>();
  CLI::App* command =
      app.add_subcommand("browse", "a contact sheet of a data set, after augmentation");
  command
      ->add_option("data", o->data,
                   "shapes, a name such as coco, a directory, a YOLO data set's YAML, or a config")
      ->required();
  command->add_option("--out", o->out, "the sheet, .jpg or .png")->capture_default_str();
  command->add_option("--split", o->split, "train, val or test")
      ->check(CLI::IsMember({"train", "val", "test"}))
      ->capture_default_str();
  command->add_option("--images", o->sheet.num_images, "how many")
      ->check(CLI::Range(1, 400))
      ->capture_default_str();
  command->add_option("--columns", o->sheet.columns, "images in a row")
      ->check(CLI::Range(1, 20))
      ->capture_default_str();
  command->add_option("--seed", o->sheet.seed, "chooses the images and what happens to them")
      ->capture_default_str();
  command->add_option("--set", o->overrides, "change the config: a.b.c=value ...")->take_all();
  command->callback([o] {
    check_output("browse", o->out, OutputKind::Picture);
    const ConfiguredDataset found = open(*o);
    write_result_picture(o->out, browse_sheet(*found.dataset, found.pipeline, o->sheet));
    console_log().line("wrote " + o->out);
  });
}

}  // namespace kestrel::apps
