#include <kestrel/engine/hooks/freeze_hook.h>

#include <kestrel/registry/nearest_name.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Hook, FreezeHook, FreezeOptions, Module&> kFreeze{
    "FreezeHook", "keeps parts of the model from being trained"};

}  // namespace

FreezeHook::FreezeHook(const FreezeOptions& options, Module& model) {
  std::vector<std::string> names;
  const auto modules = model.named_modules();
  for (const auto& [name, module] : modules) {
    if (!name.empty()) names.push_back(name);
  }
  for (const std::string& wanted : options.modules) {
    const auto found = std::ranges::find(modules, wanted, [](const auto& m) { return m.first; });
    if (wanted.empty() || found == modules.end()) {
      fail<UsageError>("[freeze] the model has no part called '", wanted, "'",
                       did_you_mean(wanted, names));
    }
    frozen_.push_back(found->second);
    for (Variable& parameter : found->second->parameters()) parameter.set_requires_grad(false);
  }
}

void FreezeHook::before_epoch(Runner&) {
  for (Module* module : frozen_) module->eval();
}

}  // namespace kestrel
