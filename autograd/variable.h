#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <kestrel/tensor/tensor.h>

namespace kestrel::autograd {

/// A tensor and its place in the graph that backward() walks. Copies share data, gradient and
/// place. A default-constructed Variable is undefined and stands for "no such operand".
class Variable {
 public:
  Variable() = default;
  /// A leaf. With requires_grad, backward() adds to its grad().
  explicit Variable(Tensor data, bool requires_grad = false);

  bool defined() const { return state_ != nullptr; }
  explicit operator bool() const { return defined(); }

  const Tensor& data() const;
  Tensor& data();
  /// The accumulated gradient; undefined before the first backward().
  const Tensor& grad() const;
  Tensor& grad();
  bool requires_grad() const;
  /// Leaves only.
  void set_requires_grad(bool requires_grad);

  const Shape& shape() const { return data().shape(); }
  int64_t size(int i) const { return data().size(i); }
  int64_t numel() const { return data().numel(); }
  DType dtype() const { return data().dtype(); }
  Device device() const { return data().device(); }
  View view() { return data().view(); }
  ConstView view() const { return data().view(); }

  /// The same data, outside the graph.
  Variable detach() const;

  /// Adds d(this)/d(leaf), weighted by `seed` (ones for a scalar), to the grad() of every leaf that
  /// requires it. The graph is released as it is walked, unless retain_graph.
  void backward(const Tensor& seed = {}, bool retain_graph = false) const;

 private:
  friend struct GraphAccess;
  struct State;

  std::shared_ptr<State> state_;
};

/// Which inputs of a function want a gradient.
class NeedsGrad {
 public:
  explicit NeedsGrad(std::vector<bool> needs) : needs_(std::move(needs)) {}
  bool operator[](size_t input) const { return needs_[input]; }

 private:
  std::vector<bool> needs_;
};

/// Computes the gradients of a function's inputs from those of its outputs. grad_outputs[i] is
/// undefined where output i took no part in the loss; it may be overwritten where unique(). Returns
/// one tensor per input, undefined for inputs that need none.
using Backward =
    std::function<std::vector<Tensor>(std::span<Tensor> grad_outputs, const NeedsGrad& needs)>;

/// Enters a function's result into the graph: `output` was computed from `inputs` (undefined ones
/// are allowed), and `backward` is its derivative. Where gradients are off or no input requires
/// one, returns a plain variable and drops `backward`. `backward` keeps what it captured alive
/// until the graph is released.
Variable record(const char* op, std::vector<Variable> inputs, Tensor output, Backward backward);
std::vector<Variable> record(const char* op, std::vector<Variable> inputs,
                             std::vector<Tensor> outputs, Backward backward);

/// Whether record() would build a graph for these inputs; lets a function skip saving.
bool wants_grad(std::initializer_list<const Variable*> inputs);

bool grad_enabled();

/// Sets whether graphs are built in this thread, for its own lifetime.
class GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool previous_;
};

/// No graph is built while it lives.
class NoGrad : public GradMode {
 public:
  NoGrad() : GradMode(false) {}
};

/// Calls f(op, inputs, outputs) for everything that record() is given in this thread, for its own
/// lifetime: to look into a forward pass.
class Observe {
 public:
  using Function = std::function<void(const char* op, std::span<const Variable> inputs,
                                      std::span<const Tensor> outputs)>;
  explicit Observe(Function f);
  ~Observe();
  Observe(const Observe&) = delete;
  Observe& operator=(const Observe&) = delete;

 private:
  Function f_;
  const Function* previous_;
};

/// The dtype that convolutions and matrix products compute in, where it is not that of their input.
bool autocast_enabled();

/// While it lives, convolutions and matrix products in this thread run in bfloat16, with float32
/// parameters; losses and normalisation statistics stay in float32.
class Autocast {
 public:
  explicit Autocast(bool enabled = true);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool previous_;
};

/// Computes f(inputs) without keeping what backward needs, and computes it again, with gradients,
/// when backward comes: memory for time. f must be a pure function of its inputs and parameters.
std::vector<Variable> checkpoint(
    const std::function<std::vector<Variable>(const std::vector<Variable>&)>& f,
    const std::vector<Variable>& inputs);

}  // namespace kestrel::autograd

namespace kestrel {
using autograd::Variable;
}
