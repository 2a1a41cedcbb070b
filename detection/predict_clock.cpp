#include <kestrel/detection/predict_clock.h>

#include <kestrel/kernels/device.h>

namespace kestrel {

PredictClock::PredictClock(PredictTimes* times, Device device)
    : times_(times), device_(device), start_(Clock::now()), middle_(start_) {}

PredictClock::~PredictClock() {
  if (!times_) return;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  times_->inference += Milliseconds(middle_ - start_).count();
  times_->postprocess += Milliseconds(Clock::now() - middle_).count();
}

void PredictClock::network_done() {
  if (!times_) return;
  if (device_.is_cuda()) gpu::synchronize(gpu::current_stream(device_.index()));
  middle_ = Clock::now();
}

}  // namespace kestrel
