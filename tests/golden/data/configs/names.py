data_root = 'data/coco/'
__hidden = 3
_kept = __hidden + 1
pipeline = [dict(type='Load'), dict(type='Flip', prob=0.5)]
data = dict(
    train=dict(root=data_root + 'train', pipeline=pipeline),
    val=dict(root=data_root + 'val', pipeline=pipeline))
data_root = 'later'
first = second = [1, 2]
(x, y), z = (1, 2), 3
[left, right] = 'ab'
keys = dict(a=1)
holder = dict(keys=keys)
keys.update(b=2)
keys.update({'a': 3, 'c': 4})
keys.update([('d', 5)])
dict_is_not_kept = [dict(n=n) for n in range(2)]
