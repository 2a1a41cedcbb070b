#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <kestrel/data/image.h>
#include <kestrel/kernels/common/box.h>
#include <kestrel/registry/config.h>
#include <kestrel/tensor/device.h>

namespace kestrel {

class BaseDetector;

/// One thing that was found.
struct Object {
  Box box;               ///< In pixels of the image that was given.
  float score = 0;       ///< 0 to 1.
  int64_t class_id = 0;  ///< Index into Detector::classes().
  std::string label;     ///< Its name.
};

struct DetectOptions {
  float score_threshold = 0.3F;  ///< Objects below it are left out.
};

/// Time spent per call, in milliseconds.
struct DetectTimes {
  double preprocess = 0;
  double inference = 0;
  double postprocess = 0;
};

struct LoadOptions {
  Device device = Device::cpu();
  bool bfloat16 = false;  ///< Compute in bfloat16: faster where the processor has AMX.
};

/// A trained detector, ready to use: one weights file and an image in, objects out. Use one
/// Detector per thread.
class Detector {
 public:
  /// A file that Kestrel wrote: it says itself which model it is of. Throws ModelFileError. On the
  /// CPU weights are read where the file is mapped: replace it, do not overwrite it, while the
  /// detector lives.
  static Detector load(const std::filesystem::path& weights, const LoadOptions& options = {});
  static Detector load(const std::filesystem::path& weights, Device device);
  /// A model built elsewhere, with the pre-processing that config's data.test.pipeline says.
  Detector(std::unique_ptr<BaseDetector> model, const Config& config,
           std::vector<std::string> classes, const LoadOptions& options = {});
  ~Detector();
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  /// Objects by descending score. `times`, where given, is set to this call's.
  std::vector<Object> detect(const Image& image, const DetectOptions& options = {},
                             DetectTimes* times = nullptr);

  const std::vector<std::string>& classes() const;
  /// The resolved config it was trained with.
  const Config& config() const;
  BaseDetector& model();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kestrel
