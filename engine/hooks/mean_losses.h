#pragma once

#include <string>
#include <utility>
#include <vector>

#include <kestrel/engine/runner.h>

namespace kestrel {

/// Means of the losses over iterations, weighted by the number of samples, with "loss", the total,
/// last. Values stay on their device until they are asked for.
class MeanLosses {
 public:
  void add(const StepResult& result);
  NamedValues means() const;
  int64_t samples() const { return samples_; }
  void reset() { *this = {}; }

  /// Sums and counts as text, exactly, and back: means go on as if nothing had come between.
  std::string to_text() const;
  static MeanLosses from_text(const std::string& text);

 private:
  struct Term {
    std::string name;
    std::vector<std::pair<Tensor, int64_t>> values = {};
    double earlier_sum = 0;  ///< What values before those came to.
    int64_t earlier_samples = 0;

    std::pair<double, int64_t> sum() const;
  };
  void add(const std::string& name, const Variable& value, int64_t samples);

  std::vector<Term> terms_;
  Term total_{"loss"};
  int64_t samples_ = 0;
};

}  // namespace kestrel
