#include <kestrel/kernels/random.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void fill_uniform(View, double, double, const PhiloxPlace&, Stream) {
  no_cuda("fill_uniform");
}
void fill_normal(View, double, double, const PhiloxPlace&, Stream) {
  no_cuda("fill_normal");
}

}  // namespace kestrel::gpu
