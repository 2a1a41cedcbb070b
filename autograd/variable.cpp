#include <kestrel/autograd/variable.h>

#include <algorithm>
#include <atomic>
#include <queue>
#include <unordered_map>
#include <utility>

#include <kestrel/kernels/binary.h>

namespace kestrel::autograd {
namespace {

thread_local bool t_grad_enabled = true;
thread_local bool t_autocast = false;
thread_local const Observe::Function* t_observer = nullptr;

/// Later functions have higher numbers, so walking by descending number visits every function after
/// all functions that use its outputs.
uint64_t next_sequence() {
  static std::atomic<uint64_t> sequence{0};
  return ++sequence;
}

}  // namespace

/// A function call in the graph: where its inputs came from and how to differentiate it.
struct FunctionCall;

struct Variable::State {
  Tensor data;
  Tensor grad;
  bool requires_grad = false;
  std::shared_ptr<FunctionCall> source;  // null for leaves
  size_t output = 0;                     // which output of source this is

  ~State();
};

struct FunctionCall {
  const char* op = "";
  uint64_t sequence = 0;
  std::vector<Variable> inputs;
  std::vector<Shape> output_shapes;
  Backward backward;
};

struct GraphAccess {
  static std::shared_ptr<Variable::State>& state(Variable& variable) { return variable.state_; }
  static const std::shared_ptr<Variable::State>& state(const Variable& variable) {
    return variable.state_;
  }
  static bool needs_grad(const Variable& variable) {
    return variable.state_ && (variable.state_->requires_grad || variable.state_->source);
  }
  static std::shared_ptr<FunctionCall>& source(const Variable& variable) {
    return variable.state_->source;
  }
  static size_t output(const Variable& variable) { return variable.state_->output; }
};

/// Takes a chain of calls apart in a loop: letting shared_ptr do it would recurse once per call and
/// overflow the stack on a long chain.
static void release(std::shared_ptr<FunctionCall> call) {
  std::vector<std::shared_ptr<FunctionCall>> pending;
  pending.push_back(std::move(call));
  while (!pending.empty()) {
    std::shared_ptr<FunctionCall> current = std::move(pending.back());
    pending.pop_back();
    if (current.use_count() > 1) continue;
    for (Variable& input : current->inputs) {
      // Taken out, so that the last of several uses of one variable is seen to be the last.
      const auto state = std::move(GraphAccess::state(input));
      if (state && state.use_count() == 1 && state->source) {
        pending.push_back(std::move(state->source));
      }
    }
  }
}

Variable::State::~State() {
  if (source) release(std::move(source));
}

Variable::Variable(Tensor data, bool requires_grad) : state_(std::make_shared<State>()) {
  KESTREL_CHECK(!requires_grad || is_floating(data.dtype()),
                "[variable] only floating tensors can require gradients, got ", data.dtype());
  state_->data = std::move(data);
  state_->requires_grad = requires_grad;
}

const Tensor& Variable::data() const {
  static const Tensor none;
  return state_ ? state_->data : none;
}
Tensor& Variable::data() {
  KESTREL_CHECK(state_, "[variable] is undefined");
  return state_->data;
}
const Tensor& Variable::grad() const {
  KESTREL_CHECK(state_, "[variable] is undefined");
  return state_->grad;
}
Tensor& Variable::grad() {
  KESTREL_CHECK(state_, "[variable] is undefined");
  return state_->grad;
}
bool Variable::requires_grad() const {
  return GraphAccess::needs_grad(*this);
}
void Variable::set_requires_grad(bool requires_grad) {
  KESTREL_CHECK(state_ && !state_->source, "[variable] requires_grad can be set on leaves only");
  state_->requires_grad = requires_grad;
}
Variable Variable::detach() const {
  return state_ ? Variable(state_->data) : Variable();
}

bool wants_grad(std::initializer_list<const Variable*> inputs) {
  return t_grad_enabled && std::any_of(inputs.begin(), inputs.end(), [](const Variable* input) {
           return GraphAccess::needs_grad(*input);
         });
}

std::vector<Variable> record(const char* op, std::vector<Variable> inputs,
                             std::vector<Tensor> outputs, Backward backward) {
  if (t_observer) (*t_observer)(op, inputs, outputs);
  std::vector<Variable> result;
  result.reserve(outputs.size());
  for (Tensor& output : outputs) result.emplace_back(std::move(output));
  if (!t_grad_enabled || std::none_of(inputs.begin(), inputs.end(), GraphAccess::needs_grad)) {
    return result;
  }
  auto call = std::make_shared<FunctionCall>();
  call->op = op;
  call->sequence = next_sequence();
  call->inputs = std::move(inputs);
  call->backward = std::move(backward);
  for (size_t i = 0; i < result.size(); ++i) {
    call->output_shapes.push_back(result[i].shape());
    auto& state = GraphAccess::state(result[i]);
    state->source = call;
    state->output = i;
  }
  return result;
}

Variable record(const char* op, std::vector<Variable> inputs, Tensor output, Backward backward) {
  std::vector<Tensor> outputs;
  outputs.push_back(std::move(output));
  return std::move(record(op, std::move(inputs), std::move(outputs), std::move(backward))[0]);
}

namespace {

/// Adds `grad` to `total`, in place where nobody else looks at the memory.
void accumulate(Tensor& total, Tensor grad) {
  if (!total) {
    total = std::move(grad);
    return;
  }
  if (total.unique()) {
    run(total.device(), cpu::binary_forward, gpu::binary_forward, BinaryOp::Add, total.cview(),
        grad.cview(), total.view());
    return;
  }
  Tensor sum = Tensor::empty_like(total);
  run(total.device(), cpu::binary_forward, gpu::binary_forward, BinaryOp::Add, total.cview(),
      grad.cview(), sum.view());
  total = std::move(sum);
}

/// Walks the graph of one backward() call.
class BackwardPass {
 public:
  explicit BackwardPass(bool retain_graph) : retain_graph_(retain_graph) {}

  void start(const Variable& root, Tensor seed) {
    deliver(root, std::move(seed), "backward");
    while (!queue_.empty()) step();
  }

 private:
  struct Pending {
    std::shared_ptr<FunctionCall> call;
    std::vector<Tensor> grad_outputs;
  };

  void step() {
    const uint64_t sequence = queue_.top();
    queue_.pop();
    auto node = pending_.extract(sequence);
    Pending& pending = node.mapped();
    FunctionCall& call = *pending.call;
    KESTREL_CHECK(call.backward, "[", call.op,
                  "] its graph was released by an earlier backward(); pass retain_graph to the "
                  "first one");
    std::vector<bool> needs;
    for (const Variable& input : call.inputs) needs.push_back(GraphAccess::needs_grad(input));
    std::vector<Tensor> grads = call.backward(pending.grad_outputs, NeedsGrad(std::move(needs)));
    pending.grad_outputs.clear();
    KESTREL_CHECK(grads.size() == call.inputs.size(), "[", call.op, "] backward returned ",
                  grads.size(), " gradients for ", call.inputs.size(), " inputs");
    for (size_t i = 0; i < grads.size(); ++i) {
      if (grads[i] && GraphAccess::needs_grad(call.inputs[i])) {
        deliver(call.inputs[i], std::move(grads[i]), call.op);
      }
    }
    if (!retain_graph_) {
      call.backward = nullptr;
      release_inputs(call);
    }
  }

  /// Hands a gradient to the function that made the variable, or adds it to a leaf.
  void deliver(const Variable& variable, Tensor grad, const char* op) {
    KESTREL_CHECK(grad.shape() == variable.shape(), "[", op, "] gradient ", grad.shape(),
                  " for an input of shape ", variable.shape());
    if (grad.dtype() != variable.dtype()) grad = grad.to(variable.dtype());
    const auto& source = GraphAccess::source(variable);
    if (!source) {
      Variable leaf = variable;
      // A leaf's gradient is changed in place by clipping and optimizers: it must be the leaf's
      // own.
      if (!leaf.grad() && !grad.unique()) grad = grad.clone();
      accumulate(leaf.grad(), std::move(grad));
      return;
    }
    auto [it, fresh] = pending_.try_emplace(source->sequence);
    if (fresh) {
      it->second.call = source;
      it->second.grad_outputs.resize(source->output_shapes.size());
      queue_.push(source->sequence);
    }
    accumulate(it->second.grad_outputs[GraphAccess::output(variable)], std::move(grad));
  }

  static void release_inputs(FunctionCall& call) {
    std::vector<Variable> inputs = std::move(call.inputs);
    call.inputs.clear();
    for (Variable& input : inputs) {
      const auto state = std::move(GraphAccess::state(input));
      if (state && state.use_count() == 1 && state->source) release(std::move(state->source));
    }
  }

  bool retain_graph_;
  std::priority_queue<uint64_t> queue_;
  std::unordered_map<uint64_t, Pending> pending_;
};

}  // namespace

void Variable::backward(const Tensor& seed, bool retain_graph) const {
  KESTREL_CHECK(requires_grad(), "[backward] nothing here requires a gradient");
  KESTREL_CHECK(seed || numel() == 1, "[backward] of shape ", shape(), " needs a seed gradient");
  const NoGrad no_grad;
  BackwardPass(retain_graph)
      .start(*this, seed ? seed.clone() : Tensor::full(shape(), 1, dtype(), device()));
}

bool grad_enabled() {
  return t_grad_enabled;
}
GradMode::GradMode(bool enabled) : previous_(std::exchange(t_grad_enabled, enabled)) {}
GradMode::~GradMode() {
  t_grad_enabled = previous_;
}

Observe::Observe(Function f) : f_(std::move(f)), previous_(std::exchange(t_observer, &f_)) {}
Observe::~Observe() {
  t_observer = previous_;
}

bool autocast_enabled() {
  return t_autocast;
}
Autocast::Autocast(bool enabled) : previous_(std::exchange(t_autocast, enabled)) {}
Autocast::~Autocast() {
  t_autocast = previous_;
}

std::vector<Variable> checkpoint(
    const std::function<std::vector<Variable>(const std::vector<Variable>&)>& f,
    const std::vector<Variable>& inputs) {
  std::vector<Tensor> outputs;
  {
    const NoGrad no_grad;
    for (const Variable& output : f(inputs)) outputs.push_back(output.data());
  }
  const bool autocast = t_autocast;
  // Parameters that f reaches by itself get their gradients when it is run again. For that the call
  // has to be in the graph even where no input requires a gradient: a dummy leaf sees to it.
  std::vector<Variable> recorded = inputs;
  recorded.emplace_back(Tensor::zeros({}), true);
  return record("checkpoint", std::move(recorded), std::move(outputs),
                [f, inputs, autocast](std::span<Tensor> grads, const NeedsGrad& needs) {
                  const GradMode with_grad(true);
                  const Autocast mode(autocast);
                  std::vector<Variable> copies;
                  for (size_t i = 0; i < inputs.size(); ++i) {
                    copies.emplace_back(inputs[i].data(), needs[i]);
                  }
                  const std::vector<Variable> again = f(copies);
                  for (size_t i = 0; i < again.size(); ++i) {
                    if (grads[i] && again[i].requires_grad()) again[i].backward(grads[i], true);
                  }
                  std::vector<Tensor> result;
                  for (const Variable& copy : copies) result.push_back(copy.grad());
                  result.emplace_back();
                  return result;
                });
}

}  // namespace kestrel::autograd
