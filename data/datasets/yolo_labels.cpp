#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include <kestrel/data/datasets/yolo_labels.h>

namespace kestrel {
namespace {

constexpr double kRounding = 0.01;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < line.size();) {
    if (is_blank(line[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < line.size() && !is_blank(line[end])) ++end;
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

// The beginning of a word, whatever bytes it is of.
std::string printable(std::string_view word) {
  std::string text(word.substr(0, 40));
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

/// A line's box, or why it has none.
class LineReader {
 public:
  explicit LineReader(int64_t num_classes) : num_classes_(num_classes) {}

  std::optional<YoloLabel> read(std::string_view line) {
    problem_.str("");
    values_.clear();
    const auto words = words_of(line);
    for (const std::string_view word : words) {
      double value = 0;
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
      if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value)) {
        problem_ << "'" << printable(word) << "' is not a finite number";
        return std::nullopt;
      }
      values_.push_back(value);
    }
    const size_t count = values_.size();
    if (count != 5 && (count < 7 || count % 2 == 0)) {
      problem_ << "has " << count
               << " numbers, neither 5 (class, x, y, width, height) nor a class and the points of "
                  "a polygon";
      return std::nullopt;
    }
    YoloLabel out;
    if (!read_class(out.label) || !check_range()) return std::nullopt;
    const bool good = count == 5 ? read_box(out.corners) : read_polygon(out.corners);
    return good ? std::optional(out) : std::nullopt;
  }
  std::string problem() const { return problem_.str(); }

 private:
  bool read_class(int64_t& label) {
    const double value = values_[0];
    const bool good =
        value >= 0 && value < static_cast<double>(num_classes_) && std::floor(value) == value;
    if (good) {
      label = static_cast<int64_t>(value);
    } else {
      problem_ << "class " << value << " is not one of 0 to " << num_classes_ - 1;
    }
    return good;
  }

  bool check_range() {
    for (size_t i = 1; i < values_.size(); ++i) {
      if (values_[i] >= 0 && values_[i] <= 1 + kRounding) continue;
      problem_ << "value " << values_[i]
               << " is not between 0 and 1, a share of the image's width or height";
      return false;
    }
    return true;
  }

  bool read_box(std::array<double, 4>& corners) {
    const double x = values_[1], y = values_[2], w = values_[3], h = values_[4];
    return set_corners({x - w / 2, y - h / 2, x + w / 2, y + h / 2}, corners);
  }

  bool read_polygon(std::array<double, 4>& corners) {
    std::array<double, 4> around = {values_[1], values_[2], values_[1], values_[2]};
    for (size_t i = 3; i < values_.size(); i += 2) {
      around = {std::min(around[0], values_[i]), std::min(around[1], values_[i + 1]),
                std::max(around[2], values_[i]), std::max(around[3], values_[i + 1])};
    }
    return set_corners(around, corners);
  }

  bool set_corners(const std::array<double, 4>& from, std::array<double, 4>& corners) {
    for (size_t i = 0; i < 4; ++i) corners[i] = std::clamp(from[i], 0.0, 1.0);
    const bool flat = corners[0] >= corners[2] || corners[1] >= corners[3];
    if (flat) {
      problem_ << "the box has width " << from[2] - from[0] << " and height " << from[3] - from[1]
               << " of the image, of which nothing is inside";
    }
    return !flat;
  }

  int64_t num_classes_;
  std::vector<double> values_;
  std::ostringstream problem_;
};

}  // namespace

YoloLabels parse_yolo_labels(std::string_view text, int64_t num_classes) {
  YoloLabels out;
  LineReader reader(num_classes);
  std::map<std::pair<int64_t, std::array<double, 4>>, size_t> seen;  // with the line
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (std::ranges::all_of(line, is_blank)) continue;
    const auto problem = [&](const std::string& why) {
      out.problems.push_back("line " + std::to_string(number) + ": " + why);
    };
    const auto box = reader.read(line);
    if (!box) {
      problem(reader.problem());
      continue;
    }
    const auto [before, is_new] = seen.emplace(std::pair(box->label, box->corners), number);
    if (is_new) {
      out.boxes.push_back(*box);
    } else {
      problem("repeats line " + std::to_string(before->second));
    }
  }
  return out;
}

}  // namespace kestrel
