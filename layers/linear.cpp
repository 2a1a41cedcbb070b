#include <kestrel/layers/linear.h>

#include <kestrel/autograd/functions/linear.h>
#include <kestrel/layers/forward_observer.h>
#include <kestrel/layers/init.h>

namespace kestrel {

Linear::Linear(int64_t in_features, int64_t out_features, bool with_bias)
    : weight(add_parameter("weight", Tensor::zeros({out_features, in_features}))),
      bias(add_parameter("bias", with_bias ? Tensor::zeros({out_features}) : Tensor())) {}

Variable Linear::forward(const Variable& x) {
  return observed(*this, x, [&] { return autograd::linear(x, weight, bias); });
}

void Linear::init_weights(Philox& random) {
  init::torch_default(weight, bias, random);
}

}  // namespace kestrel
