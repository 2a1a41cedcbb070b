#include <kestrel/layers/load_weights.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

namespace kestrel {
namespace {

template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

}  // namespace

std::string LoadReport::differences() const {
  std::string text = join(missing.size(), " missing, ", unexpected.size(), " unexpected, ",
                          reshaped.size(), " of another shape");
  for (const std::string& name : missing) text += "\n  missing: " + name;
  for (const std::string& name : unexpected) text += "\n  unexpected: " + name;
  for (const std::string& name : reshaped) text += "\n  shape: " + name;
  return text;
}

LoadReport load_weights(Module& module, const StateDict& weights, const LoadRules& rules) {
  std::unordered_map<std::string_view, const Tensor*> given;
  for (const auto& [name, tensor] : weights) {
    if (name.starts_with(rules.prefix)) {
      given.emplace(std::string_view(name).substr(rules.prefix.size()), &tensor);
    }
  }
  LoadReport report;
  bool allowed = true;
  const auto differs = [&](std::vector<std::string>& list, std::string_view name,
                           const std::string& text) {
    list.push_back(text);
    allowed = allowed && std::ranges::any_of(rules.may_differ, [&](const std::string& prefix) {
                return name.starts_with(prefix);
              });
  };
  StateDict own = module.state_dict();
  std::vector<std::pair<Tensor*, const Tensor*>> copies;
  for (auto& [name, tensor] : own) {
    const auto found = given.find(name);
    if (found == given.end()) {
      differs(report.missing, name, join(name, ' ', tensor.shape()));
      continue;
    }
    if (const Shape& shape = found->second->shape(); shape == tensor.shape()) {
      copies.emplace_back(&tensor, found->second);
    } else {
      differs(report.reshaped, name,
              join(name, " is ", tensor.shape(), " in the model, ", shape, " in the file"));
    }
    given.erase(found);
  }
  for (const auto& [name, tensor] : weights) {
    if (!name.starts_with(rules.prefix)) continue;
    const std::string_view rest = std::string_view(name).substr(rules.prefix.size());
    if (given.contains(rest)) differs(report.unexpected, rest, join(rest, ' ', tensor.shape()));
  }
  if (!allowed || (copies.empty() && !own.empty())) {
    fail<ModelFileError>("[load_weights] the weights do not fit the model: ", report.differences());
  }
  std::unordered_map<const void*, Variable> shareable;
  if (rules.share) {
    for (const auto& [name, parameter] : module.named_parameters()) {
      shareable.emplace(parameter.data().raw(), parameter);
    }
  }
  for (const auto& [target, source] : copies) {
    const auto parameter = shareable.find(target->raw());
    if (parameter != shareable.end() && source->dtype() == target->dtype() &&
        !source->device().is_cuda() && !target->device().is_cuda()) {
      parameter->second.data() = *source;
    } else {
      target->copy_from(*source);
    }
  }
  report.loaded = static_cast<int64_t>(copies.size());
  module.state_changed();
  return report;
}

}  // namespace kestrel
