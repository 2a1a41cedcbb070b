#pragma once

#include <filesystem>
#include <string_view>

#include <kestrel/kernels/version.h>
#include <kestrel/registry/config.h>

// A plug-in is a shared library whose Registrations (registry.h) add components to those that a
// config can name. One of its files has the line
//
//   KESTREL_PLUGIN;
//
// which keeps the version of Kestrel that it was compiled with, so that it is not loaded into
// another one.

#define KESTREL_PLUGIN \
  [[gnu::used]] static constexpr auto kestrel_plugin_mark = ::kestrel::plugin_detail::mark()

namespace kestrel {

namespace plugin_detail {

struct Mark {
  char text[64];
};

inline constexpr std::string_view kMark = "Kestrel plug-in for version ";

/// kMark and the version, as a plug-in has them in its file.
constexpr Mark mark() {
  Mark result{};
  size_t size = 0;
  for (const char c : kMark) result.text[size++] = c;
  for (const char* c = kVersion; *c; ++c) result.text[size++] = *c;
  return result;
}

}  // namespace plugin_detail

/// Loads a plug-in for good; a second time nothing happens. Throws UsageError where the file is not
/// there, is no plug-in of this version of Kestrel, or cannot be loaded, with the linker's reason.
/// None of its code runs before the version was looked at.
void load_plugin(const std::filesystem::path& file);

/// Loads what a config names: custom_imports: {imports: [libmine.so], allow_failed_imports: false}.
/// A relative path is looked for in the working folder, then beside the config file; the config
/// keeps the absolute one. With allow_failed_imports what cannot be loaded is a warning.
void load_plugins(Config& config);

}  // namespace kestrel
