_base_ = 'base_model.py'
_deprecation_ = dict(expected='../new.py', reference='https://example.org/1')
