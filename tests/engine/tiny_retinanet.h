#pragma once

#include <filesystem>

#include <kestrel/registry/config.h>

namespace kestrel {

/// A RetinaNet small enough to train in a test, on generated pictures. Without the pictures of a
/// run's folder, which would take longer than the training.
inline Config tiny_config() {
  Config config = Config::load(std::filesystem::path(KESTREL_SOURCE_DIR) /
                               "configs/retinanet/retinanet_r18_fpn_shapes.yaml");
  for (const char* assignment : {"model.backbone.base_channels=8",
                                 "model.neck.in_channels=[8, 16, 32, 64]",
                                 "model.neck.out_channels=16",
                                 "model.bbox_head.in_channels=16",
                                 "model.bbox_head.feat_channels=16",
                                 "model.bbox_head.stacked_convs=1",
                                 "model.bbox_head.norm_cfg.num_groups=4",
                                 "data.samples_per_gpu=2",
                                 "data.train.image_size=64",
                                 "data.train.num_images=40",
                                 "data.train.min_size=12",
                                 "data.train.max_size=40",
                                 "data.val.image_size=64",
                                 "data.val.num_images=8",
                                 "data.val.min_size=12",
                                 "data.val.max_size=40",
                                 "data.test.num_images=8",
                                 "data.train.pipeline.2.img_scale=[64, 64]",
                                 "data.val.pipeline.1.img_scale=[64, 64]",
                                 "data.test.pipeline.1.img_scale=[64, 64]",
                                 "default_hooks=null",
                                 "runner.max_epochs=5",
                                 "evaluation.interval=5",
                                 "optimizer.lr=0.002"}) {
    config.apply_override(assignment);
  }
  return config;
}

}  // namespace kestrel
