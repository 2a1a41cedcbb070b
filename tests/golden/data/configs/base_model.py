norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='RetinaNet',
    backbone=dict(type='ResNet', depth=50, norm_cfg=norm_cfg, stages=[1, 2, 3]),
    neck=dict(type='FPN', in_channels=[256, 512]),
    train_cfg=None)
img_norm_cfg = dict(mean=[123.675, 116.28], to_rgb=True)
