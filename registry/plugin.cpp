#include <kestrel/registry/plugin.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>
#include <string>

#include <dlfcn.h>
#include <elf.h>

#include <kestrel/kernels/log.h>
#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLargestPlugin = 1 << 30;

struct ImportOptions {
  std::vector<std::string> imports;
  bool allow_failed_imports = false;

  template <class V>
  void visit(V& v) {
    v("imports", imports, "plug-ins: shared libraries");
    v("allow_failed_imports", allow_failed_imports, "what cannot be loaded is only a warning");
  }
};

std::string read_plugin(const fs::path& file) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(file, error);
  if (error || size > kLargestPlugin) return {};
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The version that the mark names; "" where there is none.
std::string marked_version(const std::string& bytes) {
  const std::string_view mark = plugin_detail::kMark;
  for (size_t at = bytes.find(mark); at != std::string::npos; at = bytes.find(mark, at + 1)) {
    const size_t begin = at + mark.size();
    const size_t end = bytes.find('\0', begin);
    std::string version = bytes.substr(begin, std::min(end - begin, size_t{32}));
    if (!version.empty() && version[0] >= '0' && version[0] <= '9') return version;
  }
  return {};
}

// Whether the file ends before what its headers say that it holds: the linker would map it, and the
// process die of a bus error.
bool is_cut_short(const std::string& bytes) {
  if (!bytes.starts_with(ELFMAG)) return false;
  Elf64_Ehdr header{};
  if (bytes.size() < sizeof header) return true;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (header.e_phoff > bytes.size()) return true;
    const uint64_t at = header.e_phoff + i * header.e_phentsize;
    if (at + sizeof segment > bytes.size()) return true;
    std::memcpy(&segment, bytes.data() + at, sizeof segment);
    if (segment.p_type != PT_LOAD) continue;
    if (segment.p_filesz > bytes.size() || segment.p_offset > bytes.size() - segment.p_filesz) {
      return true;
    }
  }
  return false;
}

// Where a name of custom_imports lies; empty if nowhere.
fs::path find_plugin(const fs::path& name, const fs::path& config_folder) {
  for (const fs::path& file : {name, config_folder / name}) {
    std::error_code error;
    if (fs::is_regular_file(file, error)) return fs::absolute(file).lexically_normal();
  }
  return {};
}

// "configs/x.py:12" to "configs".
fs::path folder_of(const Config& node) {
  const std::string where = node.location();
  return fs::path(where.substr(0, where.rfind(':'))).parent_path();
}

}  // namespace

void load_plugin(const fs::path& file) {
  static std::mutex mutex;
  static std::set<fs::path> loaded;
  const std::lock_guard lock(mutex);
  std::error_code error;
  const fs::path full = fs::canonical(file, error);
  if (error || !fs::is_regular_file(full)) {
    fail<UsageError>(file.string(), ": there is no such file; a plug-in is a shared library (.so)");
  }
  if (loaded.contains(full)) return;
  const std::string bytes = read_plugin(full);
  const std::string version = marked_version(bytes);
  if (version.empty()) {
    fail<UsageError>(
        file.string(),
        ": is not a plug-in of Kestrel: a shared library with the line KESTREL_PLUGIN; "
        "in one of its files");
  }
  if (version != kVersion) {
    fail<UsageError>(file.string(), ": was compiled with Kestrel ", version, ", and this is ",
                     kVersion, "; compile it again");
  }
  if (is_cut_short(bytes)) fail<UsageError>(file.string(), ": cannot be loaded: it is cut short");
  if (!::dlopen(full.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    const char* reason = ::dlerror();
    fail<UsageError>(file.string(), ": cannot be loaded: ", reason ? reason : "no reason given");
  }
  loaded.insert(full);
}

void load_plugins(Config& config) {
  const Config* node = config.find("custom_imports");
  if (!node || node->is_null()) return;
  ImportOptions options = read_options<ImportOptions>(*node);
  const Config names = node->at("imports");
  for (size_t i = 0; i < options.imports.size(); ++i) {
    const Config& item = names.items()[i];
    std::string& name = options.imports[i];
    try {
      const fs::path file = find_plugin(name, folder_of(item));
      if (file.empty()) {
        item.fail("there is no file '" + name + "' in the working folder or beside the config; a " +
                  "plug-in is a shared library (.so): Python modules cannot be imported");
      }
      load_plugin(file);
      name = file.string();
    } catch (const UsageError& e) {
      if (!options.allow_failed_imports) throw;
      warn(e.what());
    }
  }
  config.set("custom_imports", write_options(options));
}

}  // namespace kestrel
