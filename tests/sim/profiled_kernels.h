#pragma once

namespace planted {

void run_profiled_kernels();
void run_eight_blocks();

}  // namespace planted
