#pragma once

#include <ostream>

namespace kestrel {

/// Where a tensor lives: the CPU, or CUDA device `index`.
class Device {
 public:
  enum class Kind { Cpu, Cuda };

  constexpr Device() = default;
  static constexpr Device cpu() { return {}; }
  static constexpr Device cuda(int index = 0) { return Device(Kind::Cuda, index); }
  /// The first CUDA device where there is one, else the CPU.
  static Device best();
  /// CUDA devices that this build can use; 0 in a build without CUDA.
  static int cuda_count();

  constexpr Kind kind() const { return kind_; }
  constexpr int index() const { return index_; }
  constexpr bool is_cuda() const { return kind_ == Kind::Cuda; }

  friend constexpr bool operator==(const Device&, const Device&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Device& device) {
    return device.is_cuda() ? out << "cuda:" << device.index() : out << "cpu";
  }

 private:
  constexpr Device(Kind kind, int index) : kind_(kind), index_(index) {}

  Kind kind_ = Kind::Cpu;
  int index_ = 0;
};

}  // namespace kestrel
