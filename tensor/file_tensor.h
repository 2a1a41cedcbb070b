#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include <kestrel/tensor/tensor.h>

namespace kestrel {

/// A tensor of exactly these bytes of a file in memory: a view that keeps `owner`, or a copy where
/// their address does not suit the dtype. Throws ModelFileError, which begins with `context`, for
/// bools that are neither 0 nor 1.
Tensor tensor_of_file(std::span<const std::byte> bytes, const Shape& shape, DType dtype,
                      const std::shared_ptr<const void>& owner, const std::string& context);

}  // namespace kestrel
