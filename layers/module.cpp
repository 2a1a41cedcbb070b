#include <kestrel/layers/module.h>

#include <algorithm>

#include <kestrel/layers/load_weights.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

/// Throws where one of the lists has an entry of this name.
template <class... Lists>
void check_new(const std::string& name, const Lists&... lists) {
  const auto is_taken = [&name](const auto& list) {
    return std::any_of(list.begin(), list.end(),
                       [&name](const auto& entry) { return entry.first == name; });
  };
  KESTREL_CHECK(!(is_taken(lists) || ...), "[module] there are two parts called '", name, "'");
}

}  // namespace

void Module::visit(const std::string& prefix,
                   const std::function<void(const std::string&, Module&)>& f) {
  f(prefix, *this);
  for (auto& [name, child] : children_) child->visit(prefix + name + ".", f);
}

std::vector<std::pair<std::string, Variable>> Module::named_parameters() const {
  std::vector<std::pair<std::string, Variable>> result;
  const_cast<Module*>(this)->visit("", [&](const std::string& prefix, Module& module) {
    for (auto& [name, parameter] : module.parameters_) {
      if (*parameter) result.emplace_back(prefix + name, *parameter);
    }
  });
  return result;
}

std::vector<Variable> Module::parameters() const {
  std::vector<Variable> result;
  for (auto& [name, parameter] : named_parameters()) result.push_back(parameter);
  return result;
}

StateDict Module::named_buffers() const {
  StateDict result;
  const_cast<Module*>(this)->visit("", [&](const std::string& prefix, Module& module) {
    for (auto& [name, buffer] : module.buffers_) {
      if (*buffer) result.emplace_back(prefix + name, *buffer);
    }
  });
  return result;
}

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::vector<std::pair<std::string, Module*>> result;
  visit("", [&](const std::string& prefix, Module& module) {
    result.emplace_back(prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1), &module);
  });
  return result;
}

StateDict Module::state_dict() const {
  StateDict result;
  const_cast<Module*>(this)->visit("", [&](const std::string& prefix, Module& module) {
    for (auto& [name, parameter] : module.parameters_) {
      if (*parameter) result.emplace_back(prefix + name, parameter->data());
    }
    for (auto& [name, buffer] : module.buffers_) {
      if (*buffer) result.emplace_back(prefix + name, *buffer);
    }
  });
  return result;
}

void Module::load_state_dict(const StateDict& state) {
  load_weights(*this, state);
}

void Module::state_changed() {
  visit("", [](const std::string&, Module& module) { module.on_state_changed(); });
}

void Module::train(bool on) {
  training_ = on;
  on_state_changed();
  for (auto& [name, child] : children_) child->train(on);
  on_train(on);
}

void Module::to(Device device) {
  visit("", [&](const std::string&, Module& module) {
    for (auto& [name, parameter] : module.parameters_) {
      if (*parameter) parameter->data() = parameter->data().to(device);
    }
    for (auto& [name, buffer] : module.buffers_) *buffer = buffer->to(device);
    module.on_state_changed();
  });
}

void Module::init_weights(Philox& random) {
  for (auto& [name, child] : children_) child->init_weights(random);
}

void Module::zero_grad() {
  for (Variable& parameter : parameters()) parameter.grad() = Tensor();
}

int64_t Module::parameter_count(bool trainable_only) const {
  int64_t count = 0;
  for (const Variable& parameter : parameters()) {
    if (!trainable_only || parameter.requires_grad()) count += parameter.numel();
  }
  return count;
}

Variable& Module::add_parameter(std::string name, Tensor initial, bool requires_grad) {
  check_new(name, parameters_, buffers_, children_);
  auto variable = std::make_unique<Variable>();
  if (initial) *variable = Variable(std::move(initial), requires_grad);
  return *parameters_.emplace_back(std::move(name), std::move(variable)).second;
}

Tensor& Module::add_buffer(std::string name, Tensor initial) {
  check_new(name, parameters_, buffers_, children_);
  return *buffers_.emplace_back(std::move(name), std::make_unique<Tensor>(std::move(initial)))
              .second;
}

void Module::adopt_module(std::string name, std::unique_ptr<Module> child) {
  check_new(name, parameters_, buffers_, children_);
  children_.emplace_back(std::move(name), std::move(child));
}

}  // namespace kestrel
