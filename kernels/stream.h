#pragma once

namespace kestrel {

/// The queue of a GPU on which a kernel runs; the last parameter of every gpu:: kernel.
struct Stream {
  int device = 0;
  void* handle = nullptr;  ///< cudaStream_t; null is the default stream.
};

}  // namespace kestrel
