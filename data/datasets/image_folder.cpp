#include <algorithm>

#include <fstream>

#include <nlohmann/json.hpp>

#include <kestrel/data/datasets/image_folder.h>
#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSample = 20;

// The part of a file from `begin` on, at most `count` bytes.
std::string read_part(const fs::path& path, std::streamoff begin, size_t count) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(begin);
  std::string text(count, '\0');
  file.read(text.data(), static_cast<std::streamsize>(count));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  return text;
}

std::vector<std::string> file_names_in(std::string_view text) {
  constexpr std::string_view kKey = "\"file_name\"";
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<std::string> names;
  for (size_t at = text.find(kKey); at != std::string_view::npos && names.size() < kSample;
       at = text.find(kKey, at)) {
    at = text.find_first_not_of(kBlanks, at + kKey.size());
    if (at == std::string_view::npos || text[at] != ':') continue;
    at = text.find_first_not_of(kBlanks, at + 1);
    if (at == std::string_view::npos || text[at] != '"') continue;
    size_t end = at + 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    if (end >= text.size()) break;
    const auto value = nlohmann::json::parse(text.substr(at, end + 1 - at), nullptr, false);
    if (value.is_string()) names.push_back(value.get<std::string>());
    at = end + 1;
  }
  return names;
}

bool contains_path(const fs::path& folder, const fs::path& path) {
  std::error_code code;
  const auto whole = [&](const fs::path& p) { return fs::absolute(p, code).lexically_normal(); };
  const fs::path relative = whole(path).lexically_relative(whole(folder));
  return !relative.empty() && *relative.begin() != "..";
}

// The folders from this one up to the first that also holds the file: a data set's root. Then those
// below it. Nothing above: that is somebody else's.
std::vector<fs::path> folders_around(const fs::path& folder, const fs::path& file) {
  fs::path at = folder.lexically_normal();
  if (!at.has_filename()) at = at.parent_path();
  if (at.empty()) at = ".";
  std::vector<fs::path> out = {at};
  while (!contains_path(at, file)) {
    if (at == "." || at == at.root_path() || at.filename() == "..") return out;
    at = at.has_parent_path() ? at.parent_path() : fs::path(".");
    out.push_back(at);
  }
  for (const fs::path& child : folders_in(at)) out.push_back(child);
  for (const fs::path& child : folders_in(at)) {
    for (const fs::path& below : folders_in(child)) out.push_back(below);
  }
  return out;
}

}  // namespace

std::string file_in(const std::string& folder, std::string_view name) {
  if (name.starts_with('/') || folder.empty()) return std::string(name);
  std::string file;
  file.reserve(folder.size() + 1 + name.size());
  file += folder;
  if (!folder.ends_with('/')) file += '/';
  return file += name;
}

std::string in_form(std::string_view name, NameForm form) {
  std::string out(name);
  if (form == NameForm::AsWritten) return out;
  std::ranges::replace(out, '\\', '/');
  return form == NameForm::Slashes ? out : out.substr(out.find_last_of('/') + 1);
}

size_t count_there(std::span<const std::string> names, const fs::path& folder, NameForm form) {
  std::error_code code;
  return static_cast<size_t>(std::ranges::count_if(names, [&](const std::string& name) {
    return fs::is_regular_file(file_in(folder.string(), in_form(name, form)), code);
  }));
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code code;
  for (fs::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    std::error_code ignored;
    if (at->is_directory(ignored)) folders.push_back(at->path());
  }
  std::ranges::sort(folders);
  return folders;
}

std::optional<fs::path> fullest_folder(std::span<const std::string> names,
                                       const std::vector<fs::path>& folders) {
  std::optional<fs::path> best;
  size_t most = 0;
  for (const fs::path& folder : folders) {
    const size_t count = count_there(names, folder);
    if (count <= most) continue;
    most = count;
    best = folder;
  }
  return best;
}

std::optional<ImagePlace> find_images_nearby(std::span<const std::string> names,
                                             const fs::path& folder, const fs::path& named_by) {
  if (names.empty() || count_there(names, folder) > 0) return std::nullopt;
  const std::vector<fs::path> folders = folders_around(folder, named_by);
  std::optional<ImagePlace> best;
  size_t most = (names.size() - 1) / 2;  // a few may be there by chance
  for (const NameForm form : {NameForm::AsWritten, NameForm::Slashes, NameForm::LastPart}) {
    for (const fs::path& path : folders) {
      const size_t count = count_there(names, path, form);
      if (count <= most) continue;
      most = count;
      best = ImagePlace{path, form};
    }
    if (best) break;
  }
  return best;
}

std::vector<std::string> sample_file_names(const fs::path& annotations) {
  constexpr size_t kPart = 1 << 20;
  std::error_code code;
  const auto size = fs::file_size(annotations, code);
  if (code) return {};
  const std::string head = read_part(annotations, 0, kPart);
  const TextForm form = text_form(head);
  const bool of_bytes = *form.encoding == '\0';
  auto names = file_names_in(of_bytes ? head : decode_text(head).text);
  if (!names.empty() || size <= kPart || !of_bytes) return names;
  return file_names_in(read_part(annotations, static_cast<std::streamoff>(size - kPart), kPart));
}

}  // namespace kestrel
