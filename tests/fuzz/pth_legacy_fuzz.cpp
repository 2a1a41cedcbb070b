// PyTorch's files before 1.6: five pickles and the storages. The first three are always alike.
#include <string>
#include <string_view>

#include "pth_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace std::string_view_literals;
  static const std::string kStart(
      "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."sv);
  const std::string file = kStart + std::string(reinterpret_cast<const char*>(data), size);
  kestrel::try_pth(std::as_bytes(std::span(file)));
  kestrel::try_pth(std::as_bytes(std::span(data, size)));
  return 0;
}
