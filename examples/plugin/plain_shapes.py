# A detector with the loss, the backbone and the hook of this folder, on pictures that are generated.
custom_imports = dict(imports=['libexample.so'], allow_failed_imports=False)
base_channels = 8
model = dict(
    type='RetinaNet',
    backbone=dict(type='PlainNet', base_channels=base_channels, num_stages=5),
    neck=dict(
        type='FPN',
        in_channels=[base_channels * 2**i for i in range(2, 5)],
        out_channels=32,
        add_extra_convs='on_output',
        num_outs=4),
    bbox_head=dict(
        type='RetinaHead',
        num_classes=6,
        in_channels=32,
        feat_channels=32,
        stacked_convs=1,
        anchor_generator=dict(
            type='AnchorGenerator',
            octave_base_scale=4,
            scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0],
            strides=[8, 16, 32, 64]),
        loss_bbox=dict(type='SquaredLoss', loss_weight=0.5)))
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', img_scale=(96, 96), keep_ratio=True),
    dict(type='RandomFlip', flip_ratio=0.5),
    dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
    dict(type='Pad', size_divisor=32),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(96, 96), flip=False, transforms=[
        dict(type='Resize', keep_ratio=True), *pipeline[4:],
    ]),
]
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=1,
    train=dict(type='ShapesDataset', split='train', num_images=64, pipeline=pipeline),
    val=dict(type='ShapesDataset', split='val', num_images=8, pipeline=test_pipeline),
    test=dict(type='ShapesDataset', split='test', num_images=8, pipeline=test_pipeline))
optimizer = dict(type='AdamW', lr=0.001, weight_decay=0.05)
lr_config = dict(policy='step', step=[3])
runner = dict(type='EpochBasedRunner', max_epochs=4)
log_config = dict(interval=4, hooks=[dict(type='TextLoggerHook')])
custom_hooks = [dict(type='WeightLimitHook', limit=100, interval=2)]
