#pragma once

#include <algorithm>

#include <kestrel/kernels/common/optimizer_update.h>

/// What the functions of optimizer.h demand of their operands, on every device.
namespace kestrel {

/// Whether the tensors have momentum. Throws where their views do not fit each other.
template <class Rule>
bool check_optimizer_step(std::span<const ParamTensor> tensors, const Rule& rule) {
  const int place = momentum_state(rule);
  const auto has_momentum = [&](const ParamTensor& t) {
    return place >= 0 && static_cast<bool>(t.states[static_cast<size_t>(place)]);
  };
  const bool momentum = !tensors.empty() && has_momentum(tensors.front());
  with_update<float>(rule, momentum, [&](auto type) {
    for (const ParamTensor& t : tensors) {
      const int64_t n = t.param.numel();
      KESTREL_CHECK(has_momentum(t) == momentum,
                    "[optimizer_step] some parameters have a momentum and some have none");
      KESTREL_CHECK(t.grad.numel() == n, "[optimizer_step] parameter ", t.param.shape,
                    " does not fit its gradient ", t.grad.shape);
      for (int i = 0; i < decltype(type)::Type::kStates; ++i) {
        const View& state = t.states[static_cast<size_t>(i)];
        KESTREL_CHECK(state && state.numel() == n, "[optimizer_step] parameter ", t.param.shape,
                      " does not fit its state ", state.shape);
      }
    }
  });
  return momentum;
}

inline void check_lamb_step(std::span<const ParamTensor> tensors) {
  for (const ParamTensor& t : tensors) {
    const int64_t n = t.param.numel();
    KESTREL_CHECK(t.grad.numel() == n && t.states[0].numel() == n && t.states[1].numel() == n,
                  "[lamb_step] parameter ", t.param.shape, " does not fit its gradient ",
                  t.grad.shape, " or averages ", t.states[0].shape, " and ", t.states[1].shape);
  }
}

inline void check_norm_type(double norm_type) {
  KESTREL_CHECK(norm_type > 0, "[clip_grad_norm] norm_type has to be above 0 or infinity, got ",
                norm_type);
}

inline void check_ema_step(std::span<const EmaTensor> tensors) {
  for (const EmaTensor& t : tensors) {
    KESTREL_CHECK(t.average.numel() == t.value.numel(), "[ema_step] average ", t.average.shape,
                  " does not fit ", t.value.shape);
  }
}

}  // namespace kestrel
