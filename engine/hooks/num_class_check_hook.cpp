#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/layers/module.h>

namespace kestrel {
namespace {

// MMDetection's configs name it. That the head has as many classes as the data set is always
// checked (build_run.cpp).
class NumClassCheckHook : public Hook {
 public:
  NumClassCheckHook(const NoOptions&, Module&) {}
};

const Registration<Hook, NumClassCheckHook, NoOptions, Module&> kNumClassCheck{
    "NumClassCheckHook", "in MMDetection's configs; what it checks is always checked"};

}  // namespace
}  // namespace kestrel
