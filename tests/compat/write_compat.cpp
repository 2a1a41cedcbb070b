// write_compat FOLDER: writes what README.md lists.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/datasets/coco.h>
#include <kestrel/engine/train.h>

#include "compat_files.h"

namespace {

namespace fs = std::filesystem;
using namespace kestrel;

// As small as a RetinaNet can be.
Config smallest_config() {
  Config config = Config::load(fs::path(KESTREL_SOURCE_DIR) /
                               "configs/retinanet/retinanet_r18_fpn_shapes.yaml");
  for (const char* assignment : {"model.backbone.base_channels=1",
                                 "model.neck.in_channels=[1, 2, 4, 8]",
                                 "model.neck.out_channels=4",
                                 "model.bbox_head.in_channels=4",
                                 "model.bbox_head.feat_channels=4",
                                 "model.bbox_head.stacked_convs=1",
                                 "model.bbox_head.norm_cfg.num_groups=2",
                                 "model.test_cfg.score_thr=0.0",
                                 "data.samples_per_gpu=2",
                                 "data.train.image_size=64",
                                 "data.train.num_images=12",
                                 "data.train.min_size=12",
                                 "data.train.max_size=40",
                                 "data.val.image_size=64",
                                 "data.val.num_images=4",
                                 "data.val.min_size=12",
                                 "data.val.max_size=40",
                                 "data.train.pipeline.2.img_scale=[64, 64]",
                                 "data.val.pipeline.1.img_scale=[64, 64]",
                                 "data.test.pipeline.1.img_scale=[64, 64]",
                                 "default_hooks=null",
                                 "log_config.hooks=[]",
                                 "runner.max_epochs=2"}) {
    config.apply_override(assignment);
  }
  return config;
}

void write_files(const fs::path& given) {
  const fs::path folder = fs::absolute(given);
  const fs::path work = fs::temp_directory_path() / "kestrel_write_compat";
  fs::remove_all(work);
  fs::create_directories(folder / "run");
  fs::create_directories(work);
  fs::current_path(work);  // which arguments.yaml names

  const TrainSummary stopped =
      train_detector(smallest_config(), {.out = work / "run", .max_iters = 3});
  fs::copy_file(stopped.last, folder / "weights.safetensors");
  for (const char* name : {"config.yaml", "arguments.yaml", "resume.safetensors"}) {
    fs::copy_file(work / "run" / name, folder / "run" / name);
  }
  Detector detector = Detector::load(folder / "weights.safetensors");
  std::ofstream scores(folder / "scores.txt");
  scores.precision(9);
  for (const float score : test::compat_scores(detector)) scores << score << '\n';

  write_coco(test::compat_pictures(), work / "coco", "val");
  const fs::path annotations = folder / "annotations.json";
  fs::copy_file(work / "coco/annotations/instances_val.json", annotations);
  const fs::path padded = work / "instances.json";
  test::write_padded(annotations, padded);
  const CocoDataset reads(
      {.ann_file = padded.string(), .img_prefix = (work / "coco/val").string(), .test_mode = true});
  fs::copy_file(index_cache_path(padded), folder / "index.kestrel-index");
  fs::remove_all(work);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    write_files(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "write_compat: %s\n", error.what());
    return 1;
  }
}
