#include <kestrel/tensor/file_tensor.h>

#include <algorithm>
#include <cstring>

namespace kestrel {

Tensor tensor_of_file(std::span<const std::byte> bytes, const Shape& shape, DType dtype,
                      const std::shared_ptr<const void>& owner, const std::string& context) {
  if (dtype == DType::Bool &&
      !std::ranges::all_of(bytes, [](std::byte b) { return b <= std::byte{1}; })) {
    fail<ModelFileError>(context, ": holds a bool that is neither 0 nor 1");
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % static_cast<uintptr_t>(size_of(dtype)) == 0) {
    return Tensor::wrap(bytes.data(), shape, dtype, owner);
  }
  Tensor aligned = Tensor::empty(shape, dtype);
  std::memcpy(aligned.raw(), bytes.data(), bytes.size());
  return aligned;
}

}  // namespace kestrel
