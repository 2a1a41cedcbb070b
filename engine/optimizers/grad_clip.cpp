#include <kestrel/engine/optimizers/grad_clip.h>

#include <limits>

namespace kestrel {

void NormType::read(const Config& node) {
  value = node.is_string() && node.as_string() == "inf" ? std::numeric_limits<double>::infinity()
                                                        : node.as_float();
  if (!(value > 0)) node.fail("has to be above 0 or inf, got " + node.describe());
}

void check_grad_clip(const GradClipOptions& options) {
  if (!(options.norm_type.value > 0)) {
    fail<UsageError>("[grad_clip] norm_type has to be above 0 or inf, got ",
                     options.norm_type.value);
  }
  if (!(options.max_norm > 0)) {
    fail<UsageError>("[grad_clip] max_norm has to be above 0, got ", options.max_norm);
  }
  if (!(options.clip_value > 0)) {
    fail<UsageError>("[grad_clip] clip_value has to be above 0, got ", options.clip_value);
  }
}

Tensor clip(Optimizer& optimizer, const GradClipOptions& options) {
  if (options.type == GradClipType::Norm) {
    return optimizer.clip_grad_norm(options.max_norm, options.norm_type.value);
  }
  Tensor norm = optimizer.clip_grad_norm();
  optimizer.clip_grad_value(options.clip_value);
  return norm;
}

}  // namespace kestrel
