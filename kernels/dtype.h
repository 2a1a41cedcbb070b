#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <string_view>
#include <type_traits>
#include <utility>

#include <kestrel/kernels/common/host_device.h>
#include <kestrel/kernels/error.h>

namespace kestrel {

/// The upper half of a float32: storage only, arithmetic happens in float.
struct bfloat16 {
  uint16_t bits = 0;

  bfloat16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  KESTREL_HOST_DEVICE bfloat16(
      float value) {  // NOLINT(google-explicit-constructor): stands in for a number
    const auto word = std::bit_cast<uint32_t>(value);
    if ((word & 0x7fffffffu) > 0x7f800000u) {
      bits = static_cast<uint16_t>((word >> 16) | 0x40u);
    } else {
      bits = static_cast<uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
    }
  }
  KESTREL_HOST_DEVICE operator float() const {  // NOLINT(google-explicit-constructor)
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

/// IEEE half: storage only.
struct float16 {
  uint16_t bits = 0;

  float16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  KESTREL_HOST_DEVICE float16(float value) {  // NOLINT(google-explicit-constructor)
    const auto word = std::bit_cast<uint32_t>(value);
    const auto sign = static_cast<uint16_t>((word >> 16) & 0x8000u);
    const uint32_t magnitude = word & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {  // NaN
      bits = static_cast<uint16_t>(sign | 0x7e00u);
    } else if (magnitude >= 0x477ff000u) {  // rounds to infinity
      bits = static_cast<uint16_t>(sign | 0x7c00u);
    } else if (magnitude >= 0x38800000u) {  // normal
      const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
      bits = static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
    } else {  // subnormal: the float unit rounds to a multiple of 2^-24 for us
      const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
      bits = static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
    }
  }
  KESTREL_HOST_DEVICE operator float() const {  // NOLINT(google-explicit-constructor)
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const uint32_t magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) {
      return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
    }
    if (magnitude >= 0x400u) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
  }
};

enum class DType : uint8_t { Float32, Float64, BFloat16, Float16, Int64, Int32, UInt8, Bool };

constexpr int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::Float64:
    case DType::Int64:
      return 8;
    case DType::Float32:
    case DType::Int32:
      return 4;
    case DType::BFloat16:
    case DType::Float16:
      return 2;
    case DType::UInt8:
    case DType::Bool:
      return 1;
  }
  return 0;
}

constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return "float32";
    case DType::Float64:
      return "float64";
    case DType::BFloat16:
      return "bfloat16";
    case DType::Float16:
      return "float16";
    case DType::Int64:
      return "int64";
    case DType::Int32:
      return "int32";
    case DType::UInt8:
      return "uint8";
    case DType::Bool:
      return "bool";
  }
  return "?";
}

inline std::ostream& operator<<(std::ostream& out, DType dtype) {
  return out << name_of(dtype);
}

constexpr bool is_floating(DType dtype) {
  return dtype == DType::Float32 || dtype == DType::Float64 || dtype == DType::BFloat16 ||
         dtype == DType::Float16;
}

template <class T>
inline constexpr DType dtype_of = [] {
  if constexpr (std::is_same_v<T, float>)
    return DType::Float32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::Float64;
  else if constexpr (std::is_same_v<T, bfloat16>)
    return DType::BFloat16;
  else if constexpr (std::is_same_v<T, float16>)
    return DType::Float16;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DType::Int64;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DType::Int32;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return DType::UInt8;
  else {
    static_assert(std::is_same_v<T, bool>, "no dtype for this type");
    return DType::Bool;
  }
}();

/// The type in which values of T are accumulated: float for bfloat16 and float16, else T.
template <class T>
using Accumulate =
    std::conditional_t<std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>, float, T>;

/// Calls f(T{}) with the C++ type of a dtype that networks compute in: float32, float64, bfloat16.
template <class F>
decltype(auto) visit_compute(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::Float32:
      return f(float{});
    case DType::Float64:
      return f(double{});
    case DType::BFloat16:
      return f(bfloat16{});
    default:
      fail("[", op, "] computes in float32, float64 or bfloat16, got ", dtype);
  }
}

/// Two bytes wide, with sums in float32.
constexpr bool is_half(DType dtype) {
  return dtype == DType::BFloat16 || dtype == DType::Float16;
}

/// Throws Error for float16, which only GPUs multiply in.
inline void check_cpu_product(const char* op, DType dtype) {
  KESTREL_CHECK(dtype != DType::Float16, "[", op,
                "] computes in float32, float64 or bfloat16 on the CPU, got ", dtype);
}

/// Calls f(T{}) with the C++ type of a dtype that a GPU multiplies in: those of visit_compute and
/// float16.
template <class F>
decltype(auto) visit_product(DType dtype, const char* op, F&& f) {
  if (dtype == DType::Float16) return f(float16{});
  return visit_compute(dtype, op, std::forward<F>(f));
}

/// Calls f(T{}) with the C++ type of any dtype.
template <class F>
decltype(auto) visit_any(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Float32:
      return f(float{});
    case DType::Float64:
      return f(double{});
    case DType::BFloat16:
      return f(bfloat16{});
    case DType::Float16:
      return f(float16{});
    case DType::Int64:
      return f(int64_t{});
    case DType::Int32:
      return f(int32_t{});
    case DType::UInt8:
      return f(uint8_t{});
    case DType::Bool:
      return f(bool{});
  }
  fail("[dtype] no such dtype: ", static_cast<int>(dtype));
}

}  // namespace kestrel
