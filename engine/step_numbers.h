#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/kernels/device.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel {

/// Loss and gradient norm of the last steps, on their way from the device: nobody waits for them,
/// so the host queues the next step meanwhile. On the CPU they are there at once.
class StepNumbers {
 public:
  struct Step {
    int64_t epoch = 0, inner_iter = 0;
    double lr = 0;
    std::vector<std::pair<std::string, Tensor>> losses = {};  ///< Named parts, scalars.
  };
  struct Arrived {
    Step step;
    double loss = 0;
    double grad_norm = 0;   ///< 0 where there was none.
    int64_t steps_ago = 0;  ///< How many were added after it.
  };
  /// Steps whose numbers may be outstanding: a host that is so far ahead waits.
  static constexpr size_t kMaxPending = 2;

  StepNumbers() = default;
  ~StepNumbers();
  StepNumbers(const StepNumbers&) = delete;
  StepNumbers& operator=(const StepNumbers&) = delete;

  /// loss and, where defined, grad_norm: float64 scalars of one device.
  void add(Step step, const Tensor& loss, const Tensor& grad_norm);
  /// The oldest step whose numbers have arrived; with `wait`, the oldest there is.
  std::optional<Arrived> take(bool wait = false);

 private:
  struct Slot {
    double* numbers = nullptr;  // pinned: loss, norm
    gpu::Event event;
  };
  struct Pending {
    Step step;
    Tensor loss, grad_norm;
    std::optional<Slot> slot;
  };
  Slot free_slot(int device);

  std::deque<Pending> pending_;
  std::vector<Slot> slots_;
};

}  // namespace kestrel
