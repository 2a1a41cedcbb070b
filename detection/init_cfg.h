#pragma once

#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Throws UsageError for an init_cfg that init_by_config() could not carry out.
void check_init_cfg(const Config& init_cfg);

/// Initial weights by MMDetection's init_cfg, a map or a list of maps that are applied in turn:
///
///   {type: Normal, std: 0.01, layer: Conv2d, override: {type: Normal, name: cls, bias_prob: 0.01}}
///
/// Types are Constant, Xavier, Normal, TruncNormal, Uniform, Kaiming and Caffe2Xavier, with MMCV's
/// defaults. A rule is for the layers below the module whose class is named by `layer`; without it,
/// for none. `override` names children, whose weights are all set, by a rule of its own or the
/// same. What no rule sets starts as PyTorch's layers do. False, and nothing is done, where
/// init_cfg is null or Pretrained: then the module's own rule holds, and weights are loaded by the
/// trainer.
bool init_by_config(Module& module, const Config& init_cfg, Philox& random);

}  // namespace kestrel
