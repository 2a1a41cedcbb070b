// MMDetection's own kind of config, a .py file, trains as it is.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/engine/run_config.h>
#include <kestrel/engine/train.h>
#include <kestrel/kernels/log.h>

#include "../support/error_of.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// The form of MMDetection's retinanet_r18_fpn_1x_coco.py with its bases in one file, and all that
/// its default_runtime.py has; smaller.
constexpr const char* kConfig = R"(
dataset_type = 'CocoDataset'
data_root = 'ROOT/'
img_norm_cfg = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', img_scale=(64, 64), keep_ratio=True),
    dict(type='RandomFlip', flip_ratio=0.5),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='Pad', size_divisor=32),
    dict(type='DefaultFormatBundle'),
    dict(type='Collect', keys=['img', 'gt_bboxes', 'gt_labels']),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(64, 64),
        flip=False,
        transforms=[
            dict(type='Resize', keep_ratio=True),
            dict(type='RandomFlip'),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='Pad', size_divisor=32),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ])
]
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=2,
    train=dict(
        type=dataset_type,
        ann_file=data_root + 'annotations/instances_train2017.json',
        img_prefix=data_root + 'train2017/',
        pipeline=train_pipeline),
    val=dict(
        type=dataset_type,
        ann_file=data_root + 'annotations/instances_val2017.json',
        img_prefix=data_root + 'val2017/',
        pipeline=test_pipeline),
    test=dict(
        type=dataset_type,
        ann_file=data_root + 'annotations/instances_val2017.json',
        img_prefix=data_root + 'val2017/',
        pipeline=test_pipeline))
evaluation = dict(interval=1, metric='bbox')
model = dict(
    type='RetinaNet',
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, num_stages=4, out_indices=(0, 1, 2, 3),
        frozen_stages=-1, norm_cfg=dict(type='BN', requires_grad=True), norm_eval=False,
        style='pytorch',
        init_cfg=dict(type='Kaiming', layer='Conv2d')),
    neck=dict(
        type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, start_level=1,
        add_extra_convs=True, num_outs=5),
    bbox_head=dict(
        type='RetinaHead', num_classes=6, in_channels=16, stacked_convs=1, feat_channels=16,
        init_cfg=dict(type='Normal', layer='Conv2d', std=0.01,
            override=dict(type='Normal', name='retina_cls', std=0.01, bias_prob=0.01)),
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128]),
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder', target_means=[.0, .0, .0, .0],
            target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(
            type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0)),
    train_cfg=dict(
        assigner=dict(
            type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
            ignore_iof_thr=-1),
        allowed_border=-1, pos_weight=-1, debug=False),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05,
        nms=dict(type='nms', iou_threshold=0.5), max_per_img=100))
optimizer = dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0001)
optimizer_config = dict(grad_clip=None)
lr_config = dict(
    policy='step', warmup='linear', warmup_iters=500, warmup_ratio=0.001, step=[8, 11])
runner = dict(type='EpochBasedRunner', max_epochs=1)
checkpoint_config = dict(interval=1)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook')])
custom_hooks = [dict(type='NumClassCheckHook')]
dist_params = dict(backend='nccl')
log_level = 'INFO'
load_from = None
resume_from = None
workflow = [('train', 1)]
opencv_num_threads = 0
mp_start_method = 'fork'
auto_scale_lr = dict(enable=False, base_batch_size=16)
fp16 = dict(loss_scale=512.)
)";

class MMDetectionConfig : public testing::Test {
 protected:
  void SetUp() override {
    // Tests run beside each other.
    folder_ =
        fs::temp_directory_path() /
        (std::string("kestrel_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Config load(std::string text) {
    const size_t root = text.find("ROOT");
    text.replace(root, 4, (folder_ / "coco").string());
    std::ofstream(folder_ / "retinanet.py") << text;
    return Config::load(folder_ / "retinanet.py");
  }

  fs::path folder_;
};

TEST_F(MMDetectionConfig, TrainsAsItIs) {
  for (const char* part : {"train2017", "val2017"}) {
    write_coco(ShapesDataset({.num_images = 6, .image_size = 64, .min_size = 12, .max_size = 40}),
               folder_ / "coco", part);
  }
  Config config = load(kConfig);
  std::vector<std::string> warnings;
  set_warning_sink([&](std::string_view text) { warnings.emplace_back(text); });
  config = without_variables(config);
  set_warning_sink({});
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("fp16"), std::string::npos) << warnings[0];
  EXPECT_FALSE(config.contains("train_pipeline"));

  const TrainSummary summary = train_detector(config, {.out = folder_ / "run"});
  EXPECT_TRUE(fs::exists(summary.last));
  ASSERT_FALSE(summary.metrics.empty()) << "it was evaluated";
}

TEST_F(MMDetectionConfig, WhatIsMeantIsNotLostSilently) {
  const auto error = [&](const std::string& line) {
    const Config config = load(std::string(kConfig) + line);
    return test::error_of<UsageError>([&] { read_run_config(without_variables(config)); });
  };
  EXPECT_NE(error("lr_confg = dict(policy='step')\n").find("lr_config"), std::string::npos);
  EXPECT_NE(error("workflow = [('train', 1), ('val', 1)]\n").find("retinanet.py"),
            std::string::npos);
  EXPECT_NE(error("auto_scale_lr = dict(enable=True)\n").find("optimizer.lr"), std::string::npos);
}

}  // namespace
}  // namespace kestrel
