// A config file written in Python, and what was read written again.
#include <string_view>

#include <kestrel/kernels/error.h>
#include <kestrel/registry/python/python_config.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto config = kestrel::python::read_config(text, "fuzz");
    if (!(kestrel::Config::parse(config.to_yaml()) == config)) __builtin_trap();
  } catch (const kestrel::UsageError&) {
  }
  return 0;
}
