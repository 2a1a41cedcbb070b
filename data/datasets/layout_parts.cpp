#include <kestrel/data/datasets/layout_parts.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include <fmt/format.h>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/image_folder.h>
#include <kestrel/kernels/error.h>

namespace kestrel {

namespace fs = std::filesystem;

bool has_directory(const fs::path& path) {
  std::error_code code;
  return fs::is_directory(path, code);
}

bool has_file(const fs::path& path) {
  std::error_code code;
  return fs::is_regular_file(path, code);
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::vector<fs::path> files_with(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const fs::path& path = entry.path();
    if (lower_case(path.extension().string()) == extension) files.push_back(path);
  }
  std::ranges::sort(files);
  return files;
}

fs::path folder_named(const fs::path& root, const std::string& name) {
  if (has_directory(root / name)) return root / name;
  for (const fs::path& folder : folders_in(root)) {
    if (lower_case(folder.filename().string()) == lower_case(name)) return folder;
  }
  return root / name;
}

PartOptions shared_part(const fs::path& root, Split split, const RecogniseOptions& options) {
  const bool training = split == Split::Train;
  if (training) {
    Complaints("[data] " + root.string(), false)
        .note(
            fmt::format("nothing says which pictures are for validation: {:.0f} % of them are, by "
                        "a hash of their names (--val-share)",
                        100 * options.val_share));
  }
  return {training ? "train" : "val", options.val_share};
}

std::optional<PartChoice> choose_part(const std::vector<fs::path>& paths, Split split,
                                      const fs::path& root, const RecogniseOptions& options) {
  if (paths.empty()) return std::nullopt;
  const auto chosen = [&](const SplitFiles& found, const char* part) {
    tell_choice(found, split);
    return PartChoice{found.files.front(), found.word, {part, options.val_share}};
  };
  const SplitFiles train = files_for(paths, Split::Train), val = files_for(paths, Split::Val);
  const SplitFiles own = split == Split::Train ? train : files_for(paths, split);
  const bool shared = val.files.empty() && (!train.files.empty() || paths.size() == 1);
  if (!shared) {
    if (own.files.empty()) return std::nullopt;
    return chosen(own, "");
  }
  const PartOptions part = shared_part(root, split, options);
  if (!train.files.empty()) return chosen(train, part.part.c_str());
  return PartChoice{paths.front(), "", part};
}

void fail_part(const fs::path& folder, const std::vector<fs::path>& files, Split split,
               const char* what) {
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.filename().string());
  fail<DataError>("[data] ", folder.string(), ": no ", what, " is for the ", to_string(split),
                  " part; there are ", quoted_list(names));
}

std::vector<fs::path> annotated_parts(const fs::path& root,
                                      const std::function<bool(const fs::path&)>& is_right) {
  std::vector<fs::path> folders;
  for (const fs::path& folder : folders_in(root)) {
    if (!part_word(folder.filename().string()).empty() && is_right(folder)) {
      folders.push_back(folder);
    }
  }
  return folders;
}

std::string head_of(const fs::path& file) {
  std::string head(1 << 16, '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(stream.gcount()));
  return head;
}

bool is_labelme(const fs::path& file) {
  const std::string head = head_of(file);
  return head.find("\"shapes\"") != std::string::npos &&
         head.find("\"annotations\"") == std::string::npos;
}

bool is_middle(const fs::path& file) {
  const std::string head = head_of(file);
  const size_t begin = head.find_first_not_of(" \t\r\n");
  return begin != std::string::npos && head[begin] == '[' &&
         head.find("\"filename\"") != std::string::npos;
}

}  // namespace kestrel
