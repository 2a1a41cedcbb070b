#pragma once

#include <chrono>

#include <kestrel/tensor/device.h>

namespace kestrel {

/// Where the time of predict() went, in milliseconds.
struct PredictTimes {
  double inference = 0;    ///< The network.
  double postprocess = 0;  ///< Decoding, thresholds, NMS.
};

/// Splits the time from its beginning to its end between the network and what follows it; adds both
/// to `times`. Without `times` it does nothing.
class PredictClock {
 public:
  PredictClock(PredictTimes* times, Device device);
  ~PredictClock();
  PredictClock(const PredictClock&) = delete;
  PredictClock& operator=(const PredictClock&) = delete;

  /// To be called when the network's last layer is queued: waits for the device. Of several calls
  /// the last one counts.
  void network_done();

 private:
  using Clock = std::chrono::steady_clock;

  PredictTimes* times_;
  Device device_;
  Clock::time_point start_, middle_;
};

}  // namespace kestrel
