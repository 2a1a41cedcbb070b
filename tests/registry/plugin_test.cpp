// What is no plug-in. One that is, is examples/plugin: the test install.plugin.
#include <kestrel/registry/plugin.h>

#include <string>

#include <gtest/gtest.h>

#include <kestrel/kernels/log.h>

#include "../support/error_of.h"
#include "config_files.h"

namespace kestrel {
namespace {

using PluginFiles = test::ConfigFiles;

std::string plugin_error(const std::filesystem::path& file) {
  return test::error_of<UsageError>([&] { load_plugin(file); });
}

TEST_F(PluginFiles, WhatIsNoPluginIsExplained) {
  const std::string missing = (folder_ / "missing.so").string();
  EXPECT_TRUE(plugin_error(missing).starts_with(missing + ": there is no such file")) << missing;
  EXPECT_TRUE(plugin_error(folder_).starts_with(folder_.string() + ": there is no such file"));
  const std::string text = write("text.so", "no library");
  EXPECT_TRUE(plugin_error(text).starts_with(text + ": is not a plug-in of Kestrel"));
  const std::string old =
      write("old.so", std::string("x") + "Kestrel plug-in for version 0.0.1" + '\0');
  EXPECT_EQ(plugin_error(old), old + ": was compiled with Kestrel 0.0.1, and this is " + kVersion +
                                   "; compile it again");
  const std::string broken =
      write("broken.so", std::string("Kestrel plug-in for version ") + kVersion + '\0');
  EXPECT_TRUE(plugin_error(broken).starts_with(broken + ": cannot be loaded: "))
      << plugin_error(broken);
}

TEST_F(PluginFiles, ImportsOfAConfigAreLookedForBesideIt) {
  const std::string file =
      write("configs/c.py", "custom_imports = dict(\n    imports=['broken.so'])\n");
  Config config = Config::load(file);
  EXPECT_EQ(test::error_of<UsageError>([&] { load_plugins(config); }),
            file +
                ":2: custom_imports.imports.0: there is no file 'broken.so' in the working "
                "folder or beside the config; a plug-in is a shared library (.so): Python "
                "modules cannot be imported");
  const std::string broken = write("configs/broken.so", "x");
  EXPECT_TRUE(test::error_of<UsageError>([&] {
                load_plugins(config);
              }).starts_with(broken + ": is not a plug-in of Kestrel"));
}

TEST_F(PluginFiles, AllowedFailuresAreWarnings) {
  Config config = Config::parse(
      "custom_imports: {imports: [mmcls.models], allow_failed_imports: true}", "c.yaml");
  std::string warning;
  const WarningSink sink = set_warning_sink([&](std::string_view text) { warning = text; });
  load_plugins(config);
  set_warning_sink(sink);
  EXPECT_NE(warning.find("'mmcls.models'"), std::string::npos) << warning;
  Config without = Config::parse("{model: {}}");
  load_plugins(without);
  EXPECT_EQ(without, Config::parse("{model: {}}"));
}

}  // namespace
}  // namespace kestrel
