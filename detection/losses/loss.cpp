#include <kestrel/detection/losses/loss.h>

namespace kestrel {

double loss_scale(const char* op, Reduction reduction, double loss_weight, bool averaged,
                  int64_t elements) {
  if (reduction == Reduction::Sum) {
    KESTREL_CHECK(!averaged, "[", op, "] avg_factor goes with reduction mean, not sum");
    return loss_weight;
  }
  if (averaged) return loss_weight;
  return elements == 0 ? 0 : loss_weight / static_cast<double>(elements);
}

}  // namespace kestrel
