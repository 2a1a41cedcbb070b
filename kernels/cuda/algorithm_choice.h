#pragma once

#include <functional>
#include <string>

#include <kestrel/kernels/stream.h>

namespace kestrel::gpu {

/// A piece of work that two can do.
struct TwoWays {
  std::string key;                ///< Equal keys take equally long: kind of work, dtype, sizes.
  std::function<void()> own;      ///< Queues Kestrel's kernels.
  std::function<bool()> library;  ///< Queues a library's; false where it has none for this.
  bool repeatable = true;         ///< Whether doing it twice leaves the same result.
};

/// Does it the way that conv_algorithm() says. With ConvAlgorithm::Auto a key that was not met
/// before is done both ways, several times each, to see which is faster; while a stream is being
/// captured, and where the work is not repeatable, such a key is left to `own`.
void do_either(const TwoWays& work, Stream stream);

/// Forgets what was measured, and reads the file of KESTREL_CONV_CACHE anew: for tests.
void forget_choices();

}  // namespace kestrel::gpu
