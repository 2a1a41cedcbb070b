#include <kestrel/kernels/candidate_select.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

int64_t select_above(ConstView, float, View, View, Stream) {
  no_cuda("select_above");
}
void select_rows(ConstView, View, Stream) {
  no_cuda("select_rows");
}

}  // namespace kestrel::gpu
