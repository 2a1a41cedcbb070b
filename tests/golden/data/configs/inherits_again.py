_base_ = 'inherits.py'
model = dict(backbone=dict(norm_cfg=dict(requires_grad=False)), roi_head={})
extra = dict(norm=None)
name = '{{ fileBasenameNoExtension }}'
file = ['{{fileBasename}}', 'x{{ fileExtname }}']
