#include <kestrel/detection/heads/dense_head.h>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

[[noreturn]] void fail_no_candidates() {
  fail<UsageError>(
      "[dense_head] this head has no candidates that several views of an image could share: test "
      "without augmentation");
}

}  // namespace

std::vector<Candidates> DenseHead::candidates(const std::vector<Variable>&,
                                              const std::vector<ImageMeta>&) {
  fail_no_candidates();
}

Detections DenseHead::suppress(const Candidates&) const {
  fail_no_candidates();
}

}  // namespace kestrel
