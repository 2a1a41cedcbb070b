// PyTorch's zip form.
#include "pth_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kestrel::try_pth(std::as_bytes(std::span(data, size)));
  return 0;
}
