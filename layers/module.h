#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <kestrel/autograd/variable.h>

namespace kestrel {

/// Named tensors in registration order: the public contract of a model.
using StateDict = std::vector<std::pair<std::string, Tensor>>;

/// A part of a network: parameters, buffers and child modules under dotted names, as MMDetection
/// names them ("backbone.layer1.0.conv1.weight"). A module owns its children; subclasses keep
/// references to them:
///
///   struct Block : Module {
///     Block() : conv(add<Conv2d>("conv", Conv2dOptions{...})) {}
///     Conv2d& conv;
///   };
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// All parameters below this module with their dotted names, children in order of registration.
  std::vector<std::pair<std::string, Variable>> named_parameters() const;
  std::vector<Variable> parameters() const;
  /// Tensors that are saved and not trained, such as running means.
  StateDict named_buffers() const;
  std::vector<std::pair<std::string, Module*>> named_modules();

  /// Parameters and buffers. The tensors share memory with the module.
  StateDict state_dict() const;
  /// Copies values in by name. Strict: missing, unexpected and mis-shaped names are listed together
  /// in one ModelFileError and nothing is changed.
  void load_state_dict(const StateDict& state);

  /// Training or evaluation behaviour, for this module and all below.
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const { return training_; }

  /// Moves all parameters and buffers.
  void to(Device device);

  /// Says that parameters or buffers were changed from outside, so that nothing derived from them
  /// (folded, packed weights) is used again. train(), to() and load_state_dict() do it themselves.
  void state_changed();

  /// Draws initial weights for this module and all below, from one stream of random numbers in the
  /// order of registration; overridden by modules that have a rule.
  virtual void init_weights(class Philox& random);

  void zero_grad();
  int64_t parameter_count(bool trainable_only = false) const;

 protected:
  /// Constructs a child and returns a reference that lives as long as this module.
  template <class M, class... Args>
  M& add(std::string name, Args&&... args) {
    auto child = std::make_unique<M>(std::forward<Args>(args)...);
    M& reference = *child;
    adopt(std::move(name), std::move(child));
    return reference;
  }
  /// Takes over a child that was built elsewhere, such as by a registry.
  template <class M>
  M& adopt(std::string name, std::unique_ptr<M> child) {
    KESTREL_CHECK(child, "[module] child '", name, "' is missing");
    M& reference = *child;
    adopt_module(std::move(name), std::move(child));
    return reference;
  }
  Variable& add_parameter(std::string name, Tensor initial, bool requires_grad = true);
  /// An undefined buffer or parameter is not part of the state.
  Tensor& add_buffer(std::string name, Tensor initial);

  /// Called after train(on) reached this module and its children; lets frozen stages stay in
  /// evaluation mode.
  virtual void on_train(bool /*on*/) {}
  /// Called when parameters or buffers of this module may have changed.
  virtual void on_state_changed() {}

 private:
  void adopt_module(std::string name, std::unique_ptr<Module> child);
  void visit(const std::string& prefix,
             const std::function<void(const std::string& prefix, Module& module)>& f);

  bool training_ = true;
  std::vector<std::pair<std::string, std::unique_ptr<Variable>>> parameters_;
  std::vector<std::pair<std::string, std::unique_ptr<Tensor>>> buffers_;
  std::vector<std::pair<std::string, std::unique_ptr<Module>>> children_;
};

/// Children under the names "0", "1", ...
template <class M>
class ModuleList : public Module {
 public:
  template <class... Args>
  M& emplace(Args&&... args) {
    return push(std::make_unique<M>(std::forward<Args>(args)...));
  }
  M& push(std::unique_ptr<M> child) {
    M& reference = adopt(std::to_string(items_.size()), std::move(child));
    items_.push_back(&reference);
    return reference;
  }
  size_t size() const { return items_.size(); }
  M& operator[](size_t i) const { return *items_[i]; }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::vector<M*> items_;
};

}  // namespace kestrel
