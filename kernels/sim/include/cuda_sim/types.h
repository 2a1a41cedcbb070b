#pragma once

/// CUDA's vector types.
struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

#define CUDA_SIM_VECTORS(type, name)                                      \
  struct alignas(2 * sizeof(type)) name##2 {                              \
    type x, y;                                                            \
  };                                                                      \
  struct alignas(4 * sizeof(type) > 16 ? 16 : 4 * sizeof(type)) name##4 { \
    type x, y, z, w;                                                      \
  };                                                                      \
  constexpr name##2 make_##name##2(type x, type y) {                      \
    return {x, y};                                                        \
  }                                                                       \
  constexpr name##4 make_##name##4(type x, type y, type z, type w) {      \
    return {x, y, z, w};                                                  \
  }
CUDA_SIM_VECTORS(float, float)
CUDA_SIM_VECTORS(double, double)
CUDA_SIM_VECTORS(int, int)
CUDA_SIM_VECTORS(unsigned, uint)
CUDA_SIM_VECTORS(unsigned char, uchar)
CUDA_SIM_VECTORS(unsigned short, ushort)
#undef CUDA_SIM_VECTORS

struct float3 {
  float x, y, z;
};
struct int3 {
  int x, y, z;
};
