#pragma once

// Before any Highway header: compile for AVX2 and AVX-512 beside the compiler's baseline. The
// later AVX-512 sets would only repeat the same code.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
