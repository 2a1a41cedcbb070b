#include <kestrel/engine/hooks/hook.h>
#include <kestrel/layers/module.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

struct NumClassCheckOptions {
  template <class V>
  void visit(V&) {}
};

/// MMDetection's check that the heads have as many classes as the data. Every run begins with it
/// (build_run), so there is nothing left to do.
class NumClassCheckHook final : public Hook {
 public:
  NumClassCheckHook(const NumClassCheckOptions&, Module&) {}
};

const Registration<Hook, NumClassCheckHook, NumClassCheckOptions, Module&> kNumClassCheck{
    "NumClassCheckHook"};

}  // namespace
}  // namespace kestrel
