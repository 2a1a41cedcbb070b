#include <kestrel/data/lint_dataset.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include <kestrel/data/codecs/codecs.h>
#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/fnv1a.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr size_t kExamples = 5;
constexpr double kDoubled = 0.95, kTinyPixels = 8, kTinyShare = 1.0 / 3;

/// Counts, and keeps the first examples.
class Findings {
 public:
  void add(const std::string& kind, const std::string& advice, const std::string& example,
           int64_t count = 1) {
    LintFinding& finding = by_kind_[kind];
    finding.kind = kind;
    finding.advice = advice;
    finding.count += count;
    if (finding.examples.size() < kExamples) finding.examples.push_back(example);
  }
  std::vector<LintFinding> take() {
    std::vector<LintFinding> all;
    for (auto& [kind, finding] : by_kind_) all.push_back(std::move(finding));
    return all;
  }

 private:
  std::map<std::string, LintFinding> by_kind_;
};

struct FileFacts {
  uint64_t hash = 0;
  uint64_t size = 0;  // 0: there is no such file
  int orientation = 1;
};

FileFacts facts_of(const std::string& file) {
  std::error_code code;
  if (!fs::is_regular_file(file, code)) return {};
  try {
    const auto bytes = read_file("check", file);
    const bool jpeg =
        bytes.size() > 2 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8};
    return {fnv1a(bytes), bytes.size(), jpeg ? codecs::exif_orientation(bytes) : 1};
  } catch (const DataError&) {
    return {};
  }
}

std::vector<FileFacts> all_facts(const Dataset& dataset) {
  std::vector<FileFacts> facts(static_cast<size_t>(dataset.size()));
  parallel_for(dataset.size(), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      facts[static_cast<size_t>(i)] = facts_of(dataset.info(i).file);
    }
  });
  return facts;
}

void find_twins(std::span<const OpenPart> parts, Findings& findings) {
  struct Place {
    size_t part = 0;
    std::string file;
  };
  std::map<std::pair<uint64_t, uint64_t>, Place> seen;
  for (size_t p = 0; p < parts.size(); ++p) {
    const Dataset& dataset = *parts[p].dataset;
    const std::vector<FileFacts> facts = all_facts(dataset);
    for (size_t i = 0; i < facts.size(); ++i) {
      const std::string& file = dataset.info(static_cast<int64_t>(i)).file;
      if (facts[i].size == 0) continue;
      if (facts[i].orientation != 1) {
        findings.add("turned pictures",
                     "boxes must have been drawn on the picture as it is shown, turned",
                     fmt::format("{} (EXIF orientation {})", file, facts[i].orientation));
      }
      const auto [place, is_new] =
          seen.emplace(std::pair(facts[i].hash, facts[i].size), Place{p, file});
      if (is_new) continue;
      const std::string example = fmt::format("{} is {}", file, place->second.file);
      if (place->second.part == p) {
        findings.add("pictures twice in a part", "leave one of them out", example);
      } else {
        findings.add("pictures in two parts",
                     "what is trained on must not be evaluated: the numbers would be too good",
                     example);
      }
    }
  }
}

double overlap_of(const Annotation& a, const Annotation& b) {
  const auto& [x, y, w, h] = a.bbox;
  const auto& [u, v, s, t] = b.bbox;
  const double both = std::max(0.0, std::min(x + w, u + s) - std::max(x, u)) *
                      std::max(0.0, std::min(y + h, v + t) - std::max(y, v));
  const double either = w * h + s * t - both;
  return either > 0 ? both / either : 0;
}

void find_doubled(const Dataset& dataset, Findings& findings) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto objects = dataset.annotations(i);
    for (size_t a = 0; a < objects.size(); ++a) {
      for (size_t b = 0; b < a; ++b) {
        if (objects[a].label != objects[b].label) continue;
        if (overlap_of(objects[a], objects[b]) < kDoubled) continue;
        findings.add("doubled boxes", "leave one of them out",
                     fmt::format("{}: {}", dataset.info(i).file,
                                 dataset.class_names()[static_cast<size_t>(objects[a].label)]));
        break;
      }
    }
  }
}

void find_tiny(std::span<const OpenPart> parts, const LintOptions& options, Findings& findings) {
  int64_t tiny = 0, all = 0;
  for (const OpenPart& part : parts) {
    for (int64_t i = 0; i < part.dataset->size(); ++i) {
      const ImageInfo& info = part.dataset->info(i);
      const auto side = static_cast<double>(std::min(info.width, info.height));
      const double scale =
          options.image_size > 0 && side > 0 ? static_cast<double>(options.image_size) / side : 1;
      for (const Annotation& object : part.dataset->annotations(i)) {
        if (!object.is_object()) continue;
        ++all;
        tiny += std::sqrt(object.bbox[2] * object.bbox[3]) * scale < kTinyPixels;
      }
    }
  }
  if (static_cast<double>(tiny) <= kTinyShare * static_cast<double>(all)) return;
  findings.add("tiny boxes", "a larger --image-size makes them larger",
               fmt::format("{} of {} boxes are under {:.0f} pixels{}", tiny, all, kTinyPixels,
                           options.image_size > 0
                               ? fmt::format(" where the shorter side is {}", options.image_size)
                               : ""),
               tiny);
}

std::string plain_spelling(const std::string& name) {
  std::string plain;
  for (const char c : name) {
    if (c == ' ' || c == '-' || c == '_') continue;
    plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return plain;
}

void find_spellings(const Dataset& dataset, Findings& findings) {
  std::map<std::string, std::string> seen;
  for (const std::string& name : dataset.class_names()) {
    const auto [before, is_new] = seen.emplace(plain_spelling(name), name);
    if (is_new) continue;
    findings.add("classes of one spelling", "if they are one class, give them one name",
                 fmt::format("'{}' and '{}'", before->second, name));
  }
}

std::vector<int64_t> counts_of(const Dataset& dataset) {
  std::vector<int64_t> counts(dataset.class_names().size());
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (const Annotation& object : dataset.annotations(i)) {
      if (object.is_object()) ++counts[static_cast<size_t>(object.label)];
    }
  }
  return counts;
}

void find_unevaluated(std::span<const OpenPart> parts, Findings& findings) {
  const OpenPart* train = nullptr;
  std::map<std::string, int64_t> evaluated;
  bool any = false;
  for (const OpenPart& part : parts) {
    if (part.split == Split::Train) {
      train = &part;
      continue;
    }
    any = true;
    const std::vector<int64_t> counts = counts_of(*part.dataset);
    for (size_t k = 0; k < counts.size(); ++k) {
      evaluated[part.dataset->class_names()[k]] += counts[k];
    }
  }
  if (train == nullptr || !any) return;
  const std::vector<int64_t> counts = counts_of(*train->dataset);
  for (size_t k = 0; k < counts.size(); ++k) {
    const std::string& name = train->dataset->class_names()[k];
    if (counts[k] == 0 || evaluated[name] > 0) continue;
    findings.add("classes in training alone", "no number says how well they are found",
                 fmt::format("'{}', {} objects", name, counts[k]));
  }
}

void find_unnamed(std::span<const OpenPart> parts, Findings& findings) {
  std::set<fs::path> named, folders;
  for (const OpenPart& part : parts) {
    for (int64_t i = 0; i < part.dataset->size(); ++i) {
      std::error_code code;
      const fs::path file = fs::weakly_canonical(part.dataset->info(i).file, code);
      if (!fs::exists(file, code)) continue;
      named.insert(file);
      folders.insert(file.parent_path());
    }
  }
  for (const fs::path& folder : folders) {
    std::error_code code;
    std::set<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder, code)) files.insert(entry.path());
    for (const fs::path& file : files) {
      if (!has_picture_name(file) || named.contains(fs::weakly_canonical(file, code))) continue;
      findings.add("pictures that nobody names",
                   "they are not trained on; are their labels missing?", file.string());
    }
  }
}

}  // namespace

std::vector<LintFinding> lint_parts(std::span<const OpenPart> parts, const LintOptions& options) {
  Findings findings;
  if (options.read_files) find_twins(parts, findings);
  for (const OpenPart& part : parts) find_doubled(*part.dataset, findings);
  find_tiny(parts, options, findings);
  if (!parts.empty()) find_spellings(*parts[0].dataset, findings);
  find_unevaluated(parts, findings);
  find_unnamed(parts, findings);
  return findings.take();
}

std::string lint_text(std::span<const LintFinding> findings) {
  std::string text;
  for (const LintFinding& finding : findings) {
    text += fmt::format("  {}: {} ({})\n", finding.kind, finding.count, finding.advice);
    for (const std::string& example : finding.examples) text += fmt::format("    {}\n", example);
    const auto shown = static_cast<int64_t>(finding.examples.size());
    if (finding.count > shown && shown == static_cast<int64_t>(kExamples)) {
      text += fmt::format("    and {} more\n", finding.count - shown);
    }
  }
  return text;
}

}  // namespace kestrel
