#include <kestrel/detection/losses/loss.h>

namespace kestrel {

double loss_scale(const char* op, Reduction reduction, double loss_weight,
                  std::optional<double> avg_factor, int64_t elements) {
  if (reduction == Reduction::Sum) {
    KESTREL_CHECK(!avg_factor, "[", op, "] avg_factor goes with reduction mean, not sum");
    return loss_weight;
  }
  if (avg_factor) return loss_weight / *avg_factor;
  return elements == 0 ? 0 : loss_weight / static_cast<double>(elements);
}

}  // namespace kestrel
