#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <kestrel/registry/config.h>

namespace kestrel {

/// Settings of a run beside its config that its result depends on; arguments.yaml in its folder.
struct RunArguments {
  uint64_t seed = 0;
  std::string device = "cpu";
  bool amp = false;
  bool overfit_batch = false;
  std::string directory;

  template <class V>
  void visit(V& v) {
    v("seed", seed, "equal seeds give equal weights");
    v("device", device, "cpu, cuda or cuda:N");
    v("amp", amp, "convolutions in bfloat16");
    v("overfit_batch", overfit_batch, "the first batch alone");
    v("directory", directory, "where the run was started: relative paths are from there");
  }
};

/// A run that was stopped, as its folder tells.
struct StoredRun {
  std::filesystem::path folder;
  Config config;
  RunArguments arguments;
};

/// Reads a run's folder. Throws UsageError if there is nothing to resume in it, ModelFileError if
/// what is there is damaged.
StoredRun open_stored_run(const std::filesystem::path& folder);

/// Writes config.yaml and arguments.yaml into a run's folder.
void write_run_settings(const std::filesystem::path& folder, const Config& config,
                        const RunArguments& arguments);

/// A value of a config that differs from another's; "nothing" where one has none.
struct ConfigChange {
  std::string key;  ///< Dotted.
  std::string before;
  std::string after;
};
std::vector<ConfigChange> config_changes(const Config& before, const Config& after);

/// A line "  optimizer.lr: 0.01, was 0.02" per change, each behind a line end.
std::string to_text(const std::vector<ConfigChange>& changes);

}  // namespace kestrel
