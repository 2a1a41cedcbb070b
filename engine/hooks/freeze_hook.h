#pragma once

#include <string>
#include <vector>

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/layers/module.h>

namespace kestrel {

struct FreezeOptions {
  std::vector<std::string> modules = {};

  template <class V>
  void visit(V& v) {
    v("modules", modules, "such as backbone, neck.lateral_convs");
  }
};

/// Parts of a model that are not trained: no gradients, evaluation mode. From construction on.
class FreezeHook final : public Hook {
 public:
  FreezeHook(const FreezeOptions& options, Module& model);

  void before_epoch(Runner& runner) override;
  bool trains() const override { return true; }

 private:
  std::vector<Module*> frozen_;
};

}  // namespace kestrel
