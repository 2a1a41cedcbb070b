#include <kestrel/layers/load_weights.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace kestrel {
namespace {

template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

constexpr size_t kMostListed = 5;

void list_some(std::string& text, const char* kind, const std::vector<std::string>& names) {
  for (size_t i = 0; i < std::min(names.size(), kMostListed); ++i) {
    text += join("\n  ", kind, ": ", names[i]);
  }
  if (names.size() > kMostListed) {
    text += join("\n  ", kind, ": and ", names.size() - kMostListed, " more");
  }
}

/// The tensors of weights that begin with a prefix, by their names without it.
class GivenWeights {
 public:
  GivenWeights(const StateDict& weights, std::string_view prefix) {
    for (const auto& [name, tensor] : weights) {
      if (!name.starts_with(prefix)) continue;
      names_.push_back(std::string_view(name).substr(prefix.size()));
      tensors_.emplace(names_.back(), &tensor);
    }
  }
  const std::vector<std::string_view>& names() const { return names_; }
  const Tensor* find(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }

  /// Prefixes that all names have, each up to a dot: "a.", "a.b.", ...
  std::vector<std::string> common_prefixes() const {
    std::vector<std::string> prefixes;
    if (names_.empty()) return prefixes;
    for (size_t dot = names_[0].find('.'); dot != names_[0].npos;
         dot = names_[0].find('.', dot + 1)) {
      const std::string_view prefix = names_[0].substr(0, dot + 1);
      if (!std::ranges::all_of(names_, [&](auto name) { return name.starts_with(prefix); })) break;
      prefixes.emplace_back(prefix);
    }
    return prefixes;
  }

 private:
  std::vector<std::string_view> names_;
  std::unordered_map<std::string_view, const Tensor*> tensors_;
};

/// How weights and a model go together.
struct Comparison {
  LoadReport report;
  std::vector<std::pair<Tensor*, const Tensor*>> copies;
  bool allowed = true;  ///< What differs may.
};

Comparison compare(StateDict& own, const GivenWeights& given, const LoadRules& rules) {
  Comparison result;
  const auto differs = [&](std::vector<std::string>& list, std::string_view name,
                           const std::string& text) {
    list.push_back(text);
    result.allowed =
        result.allowed && std::ranges::any_of(rules.may_differ, [&](const std::string& prefix) {
          return name.starts_with(prefix);
        });
  };
  std::unordered_set<std::string_view> wanted;
  for (auto& [name, tensor] : own) {
    wanted.insert(name);
    const Tensor* found = given.find(name);
    if (found == nullptr) {
      differs(result.report.missing, name, join(name, ' ', tensor.shape()));
    } else if (found->shape() == tensor.shape()) {
      result.copies.emplace_back(&tensor, found);
    } else {
      differs(
          result.report.reshaped, name,
          join(name, " is ", tensor.shape(), " in the model, ", found->shape(), " in the file"));
    }
  }
  for (const std::string_view name : given.names()) {
    if (wanted.contains(name)) continue;
    differs(result.report.unexpected, name, join(name, ' ', given.find(name)->shape()));
  }
  if (result.copies.empty() && !own.empty()) result.allowed = false;
  return result;
}

/// With `share` parameters of the weights' dtype on the CPU become the weights' tensors.
void copy(Module& module, const std::vector<std::pair<Tensor*, const Tensor*>>& copies,
          bool share) {
  std::unordered_map<const void*, Variable> parameters;
  if (share) {
    for (const auto& [name, parameter] : module.named_parameters()) {
      parameters.emplace(parameter.data().raw(), parameter);
    }
  }
  for (const auto& [target, source] : copies) {
    const auto parameter = parameters.find(target->raw());
    if (parameter != parameters.end() && source->dtype() == target->dtype() &&
        !source->device().is_cuda() && !target->device().is_cuda()) {
      parameter->second.data() = *source;
    } else {
      target->copy_from(*source);
    }
  }
}

/// What a person might try: most names would fit with a prefix more, or less.
std::string hint(const StateDict& own, const GivenWeights& given) {
  const size_t most = given.names().size() * 4 / 5 + 1;
  std::unordered_set<std::string_view> wanted;
  std::set<std::string, std::less<>> parts;
  for (const auto& [name, tensor] : own) {
    wanted.insert(name);
    parts.insert(name.substr(0, name.find('.') + 1));
  }
  const auto count_fitting = [&](const auto& renamed) {
    return static_cast<size_t>(std::ranges::count_if(
        given.names(), [&](std::string_view name) { return wanted.contains(renamed(name)); }));
  };
  for (const std::string& part : parts) {
    std::string name;
    const size_t count = count_fitting(
        [&](std::string_view rest) { return std::string_view(name = part + std::string(rest)); });
    if (count >= most) {
      return join("\n", count, " of ", given.names().size(), " names fit with '", part,
                  "' in front: the file is of that part alone");
    }
  }
  std::set<std::string_view> prefixes;
  for (const std::string_view name : given.names())
    prefixes.insert(name.substr(0, name.find('.') + 1));
  for (const std::string_view prefix : prefixes) {
    const size_t count = count_fitting([&](std::string_view name) {
      return name.starts_with(prefix) ? name.substr(prefix.size()) : std::string_view();
    });
    if (count >= most || (count > 0 && count >= own.size() * 4 / 5)) {
      return join("\n", count, " of ", given.names().size(), " names fit without '", prefix,
                  "' in front, which `kestrel convert --prefix ", prefix, "` takes off");
    }
  }
  return {};
}

}  // namespace

std::string LoadReport::differences() const {
  std::string text = join(missing.size(), " missing, ", unexpected.size(), " unexpected, ",
                          reshaped.size(), " of another shape");
  list_some(text, "missing", missing);
  list_some(text, "unexpected", unexpected);
  list_some(text, "shape", reshaped);
  return text;
}

LoadReport load_weights(Module& module, const StateDict& weights, const LoadRules& rules) {
  StateDict own = module.state_dict();
  const GivenWeights given(weights, rules.prefix);
  Comparison found = compare(own, given, rules);
  if (!found.allowed) {
    for (const std::string& prefix : given.common_prefixes()) {
      Comparison without = compare(own, GivenWeights(weights, rules.prefix + prefix), rules);
      if (!without.allowed) continue;
      found = std::move(without);
      found.report.prefix = prefix;
      break;
    }
  }
  if (!found.allowed) {
    fail<ModelFileError>("[load_weights] the weights do not fit the model: ",
                         found.report.differences(), hint(own, given));
  }
  copy(module, found.copies, rules.share);
  found.report.loaded = static_cast<int64_t>(found.copies.size());
  module.state_changed();
  return std::move(found.report);
}

}  // namespace kestrel
