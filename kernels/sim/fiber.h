#pragma once

#include <cstddef>
#include <functional>

/// Fibers for CUDA threads, on Boost.Context, with stacks of their own and AddressSanitizer told of
/// every switch.
namespace cuda_sim {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Forgets what ran, without unwinding it, and prepares to run `body`.
  void prepare(void (*body)(void*), void* argument);
  /// Runs the fiber until it suspends or its body returns; true if it returned. Called outside of
  /// fibers.
  bool resume();
  /// Back to resume(); called inside the fiber.
  void suspend();

  bool owns(const void* address) const {
    return address >= stack_ && address < static_cast<const char*>(stack_) + bytes_;
  }

 private:
  struct Entry;
  void* stack_ = nullptr;  // lowest address, above the guard page
  size_t bytes_ = 0;
  void* context_ = nullptr;
  void* caller_ = nullptr;
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
  bool done_ = true;
  void* fake_stack_ = nullptr;
  const void* caller_stack_ = nullptr;
  size_t caller_bytes_ = 0;
};

}  // namespace cuda_sim
