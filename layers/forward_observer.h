#pragma once

#include <kestrel/layers/module.h>

namespace kestrel {

/// Is told of every layer that runs: convolutions, linear layers and normalisations. One that is
/// fused into a convolution is part of it; one that a convolution calls runs within it.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  virtual void before(const Module& layer) = 0;
  virtual void after(const Module& layer, const Variable& input, const Variable& output) = 0;
};

/// The observer of layers that run on the calling thread, or null.
ForwardObserver* forward_observer();
/// Sets it and returns the previous one.
ForwardObserver* set_forward_observer(ForwardObserver* observer);

/// What forward() returns for an input, with the thread's observer told before and after.
template <class F>
Variable observed(const Module& layer, const Variable& input, F&& forward) {
  ForwardObserver* observer = forward_observer();
  if (!observer) return forward();
  observer->before(layer);
  Variable output = forward();
  observer->after(layer, input, output);
  return output;
}

}  // namespace kestrel
