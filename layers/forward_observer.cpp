#include <kestrel/layers/forward_observer.h>

#include <utility>

namespace kestrel {
namespace {

thread_local ForwardObserver* current = nullptr;

}  // namespace

ForwardObserver* forward_observer() {
  return current;
}

ForwardObserver* set_forward_observer(ForwardObserver* observer) {
  return std::exchange(current, observer);
}

}  // namespace kestrel
