#pragma once

namespace planted {

void run_profiled_kernels();

}  // namespace planted
