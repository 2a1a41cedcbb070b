#include <kestrel/engine/checkpoints/resume.h>

#include <span>

#include <fmt/format.h>

#include <kestrel/data/file.h>
#include <kestrel/engine/checkpoints/checkpoint.h>
#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "config.yaml";
constexpr const char* kArguments = "arguments.yaml";

std::string value_text(const Config* value) {
  return value ? value->to_json() : "nothing";
}

void compare(const std::string& key, const Config* before, const Config* after,
             std::vector<ConfigChange>& changes) {
  const auto child = [&](const std::string& name) { return key.empty() ? name : key + '.' + name; };
  if (before && after && *before == *after) return;
  if (before && after && before->is_map() && after->is_map()) {
    for (const Config::Entry& entry : before->entries()) {
      compare(child(entry.key), &entry.value, after->find(entry.key), changes);
    }
    for (const Config::Entry& entry : after->entries()) {
      if (!before->contains(entry.key)) compare(child(entry.key), nullptr, &entry.value, changes);
    }
  } else if (before && after && before->is_list() && after->is_list() &&
             before->size() == after->size()) {
    for (size_t i = 0; i < before->items().size(); ++i) {
      compare(child(std::to_string(i)), &before->items()[i], &after->items()[i], changes);
    }
  } else {
    changes.push_back({key, value_text(before), value_text(after)});
  }
}

void write_text(const fs::path& file, const std::string& text) {
  write_file("train", file, std::as_bytes(std::span(text)));
}

}  // namespace

StoredRun open_stored_run(const fs::path& folder) {
  const fs::path state = resume_file(folder);
  if (!fs::exists(state) && !fs::exists(previous_resume_file(state))) {
    fail<UsageError>("there is nothing to resume in ", folder.string(), ": it has no ",
                     state.filename().string(),
                     fs::exists(folder) ? "; a run writes it with its first checkpoint"
                                        : " (nor is there such a folder)");
  }
  StoredRun run{.folder = folder, .config = Config::load(folder / kConfig), .arguments = {}};
  if (fs::exists(folder / kArguments)) {
    run.arguments = read_options<RunArguments>(Config::load(folder / kArguments));
  }
  return run;
}

void write_run_settings(const fs::path& folder, const Config& config,
                        const RunArguments& arguments) {
  write_text(folder / kConfig, config.to_yaml());
  write_text(folder / kArguments, write_options(arguments).to_yaml());
}

std::vector<ConfigChange> config_changes(const Config& before, const Config& after) {
  std::vector<ConfigChange> changes;
  compare("", &before, &after, changes);
  return changes;
}

std::string to_text(const std::vector<ConfigChange>& changes) {
  std::string text;
  for (const ConfigChange& change : changes) {
    text += fmt::format("\n  {}: {}, was {}", change.key, change.after, change.before);
  }
  return text;
}

}  // namespace kestrel
