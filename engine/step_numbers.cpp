#include <kestrel/engine/step_numbers.h>

namespace kestrel {

StepNumbers::~StepNumbers() {
  for (Pending& pending : pending_) {
    if (!pending.slot) continue;
    gpu::synchronize(pending.slot->event);
    slots_.push_back(*pending.slot);
  }
  for (const Slot& slot : slots_) {
    gpu::destroy_event(slot.event);
    gpu::free_pinned(slot.numbers);
  }
}

StepNumbers::Slot StepNumbers::free_slot(int device) {
  if (slots_.empty()) {
    return {static_cast<double*>(gpu::allocate_pinned(2 * sizeof(double))),
            gpu::create_event(device)};
  }
  const Slot slot = slots_.back();
  slots_.pop_back();
  return slot;
}

void StepNumbers::add(Step step, const Tensor& loss, const Tensor& grad_norm) {
  Pending pending{std::move(step), loss, grad_norm, std::nullopt};
  if (loss.device().is_cuda()) {
    const Stream stream = gpu::current_stream(loss.device().index());
    const Slot slot = free_slot(stream.device);
    slot.numbers[1] = 0;
    gpu::copy_to_host_async(slot.numbers, loss.raw(), sizeof(double), stream);
    if (grad_norm) {
      gpu::copy_to_host_async(slot.numbers + 1, grad_norm.raw(), sizeof(double), stream);
    }
    gpu::record_event(slot.event, stream);
    pending.slot = slot;
  }
  pending_.push_back(std::move(pending));
}

std::optional<StepNumbers::Arrived> StepNumbers::take(bool wait) {
  if (pending_.empty()) return std::nullopt;
  Pending& oldest = pending_.front();
  Arrived arrived{.step = {}, .steps_ago = static_cast<int64_t>(pending_.size()) - 1};
  if (oldest.slot) {
    if (!gpu::has_passed(oldest.slot->event)) {
      if (!wait && pending_.size() <= kMaxPending) return std::nullopt;
      gpu::synchronize(oldest.slot->event);
    }
    arrived.loss = oldest.slot->numbers[0];
    arrived.grad_norm = oldest.slot->numbers[1];
    slots_.push_back(*oldest.slot);
  } else {
    arrived.loss = oldest.loss.item<double>();
    if (oldest.grad_norm) arrived.grad_norm = oldest.grad_norm.item<double>();
  }
  arrived.step = std::move(oldest.step);
  pending_.pop_front();
  return arrived;
}

}  // namespace kestrel
