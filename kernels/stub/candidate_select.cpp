#include <kestrel/kernels/candidate_select.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void select_above(ConstView, float, View, View, View, Stream) {
  no_cuda("select_above");
}
void select_rows(ConstView, View, Stream) {
  no_cuda("select_rows");
}
void split_positions(ConstView, int64_t, View, View, Stream) {
  no_cuda("split_positions");
}
void score_candidates(ConstView, ConstView, const CandidateParams&, View, View, Stream) {
  no_cuda("score_candidates");
}

}  // namespace kestrel::gpu
