_base_ = ['./base_model.py', 'base_run.yaml']
model = dict(
    backbone=dict(depth=18, stages=(4, )),
    neck=dict(_delete_=True, type='PAFPN', inner=dict(a=1)))
optimizer = dict(_delete_=True, type='Adam', lr=1e-3)
hooks = []
runner = dict(_delete_=False, max_epochs={{_base_.runner.max_epochs}})
extra = dict(
    norm={{_base_.img_norm_cfg}},
    means=[{{ _base_.img_norm_cfg.mean }}, ({{_base_.optimizer.lr}}, 1)])
lr = {{_base_.optimizer.lr}}
custom_imports = dict(imports=['not.a.module'], allow_failed_imports=False)
