#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include <kestrel/data/datasets/yolo_labels.h>
#include <kestrel/tensor/text.h>

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
  explicit LineReader(const YoloLabelFormat& format) : format_(format) {}

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
    if (!has_right_count()) return std::nullopt;
    YoloLabel out;
    if (!read_class(out.label) || !check_range()) return std::nullopt;
    const bool good = is_box() ? read_box(out.corners) : read_polygon(out);
    return good ? std::optional(out) : std::nullopt;
  }
  /// Whether the box that was read last reached past the image.
  bool was_cut() const { return was_cut_; }
  std::string problem() const { return problem_.str(); }

 private:
  bool is_box() const { return format_.pose_values > 0 || values_.size() == 5; }

  bool has_right_count() {
    const size_t count = values_.size();
    if (format_.pose_values > 0) {
      const auto whole = 5 + static_cast<size_t>(format_.pose_values);
      if (count == 5 || count == whole) return true;
      problem_ << "has " << count << " numbers, neither 5 (class, x, y, width, height) nor "
               << whole << " with the key points of kpt_shape";
      return false;
    }
    if (count == 5 || (count >= 7 && count % 2 == 1)) return true;
    problem_ << "has " << count
             << " numbers, neither 5 (class, x, y, width, height) nor a class and the points of "
                "a polygon";
    return false;
  }

  bool read_class(int64_t& label) {
    const double value = values_[0];
    const bool good = value >= 0 && value < static_cast<double>(format_.num_classes) &&
                      std::floor(value) == value;
    if (good) {
      label = static_cast<int64_t>(value);
    } else {
      problem_ << "class " << value << " is not one of 0 to " << format_.num_classes - 1;
    }
    return good;
  }

  bool check_range() {
    const size_t count = is_box() ? 5 : values_.size();  // key points are not looked at
    for (size_t i = 1; i < count; ++i) {
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

  bool read_polygon(YoloLabel& out) {
    std::array<double, 4> around = {values_[1], values_[2], values_[1], values_[2]};
    for (size_t i = 3; i < values_.size(); i += 2) {
      around = {std::min(around[0], values_[i]), std::min(around[1], values_[i + 1]),
                std::max(around[2], values_[i]), std::max(around[3], values_[i + 1])};
    }
    out.polygon.assign(values_.begin() + 1, values_.end());
    for (double& value : out.polygon) value = std::clamp(value, 0.0, 1.0);
    return set_corners(around, out.corners);
  }

  bool set_corners(const std::array<double, 4>& from, std::array<double, 4>& corners) {
    was_cut_ = false;
    for (size_t i = 0; i < 4; ++i) {
      corners[i] = std::clamp(from[i], 0.0, 1.0);
      was_cut_ = was_cut_ || std::abs(corners[i] - from[i]) > kRounding;
    }
    const bool flat = corners[0] >= corners[2] || corners[1] >= corners[3];
    if (flat) {
      problem_ << "the box has width " << from[2] - from[0] << " and height " << from[3] - from[1]
               << " of the image, of which nothing is inside";
    }
    return !flat;
  }

  YoloLabelFormat format_;
  bool was_cut_ = false;
  std::vector<double> values_;
  std::ostringstream problem_;
};

}  // namespace

YoloLabels parse_yolo_labels(std::string_view bytes, const YoloLabelFormat& format) {
  YoloLabels out;
  LineReader reader(format);
  const DecodedText decoded = decode_text(bytes);
  const std::string_view text = decoded.text;
  std::map<std::pair<int64_t, std::array<double, 4>>, size_t> seen;  // with the line
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
      out.cut += reader.was_cut();
    } else {
      problem("repeats line " + std::to_string(before->second));
    }
  }
  // Of a form that says it is UTF-16 and then is not, the end is missing.
  if (!decoded.problem.empty() && is_utf8(text)) out.problems.push_back(decoded.problem);
  return out;
}

}  // namespace kestrel
