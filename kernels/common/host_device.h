#pragma once

/// Marks a function that kernels on every device share. The one place that asks which compiler
/// reads a file.
#ifdef __CUDACC__
#define KESTREL_HOST_DEVICE __host__ __device__
#else
#define KESTREL_HOST_DEVICE
#endif
