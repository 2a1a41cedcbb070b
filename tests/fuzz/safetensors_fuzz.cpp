#include <span>

#include <kestrel/kernels/error.h>
#include <kestrel/tensor/safetensors.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = kestrel::parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz");
    for (const auto& [name, tensor] : file.tensors) static_cast<void>(tensor.clone());
  } catch (const kestrel::ModelFileError&) {
  }
  return 0;
}
