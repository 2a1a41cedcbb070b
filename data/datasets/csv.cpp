#include <kestrel/data/datasets/csv.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

using Fields = std::vector<std::string>;

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

/// The records of a table, as RFC 4180 has them: quoted fields may hold delimiters and line ends.
class CsvLines {
 public:
  CsvLines(std::string_view text, char delimiter) : rest_(text), delimiter_(delimiter) {}

  std::optional<Fields> next() {
    if (rest_.empty()) return std::nullopt;
    Fields fields(1);
    bool quoted = false;
    size_t at = 0;
    number_ = next_number_;
    for (; at < rest_.size(); ++at) {
      const char c = rest_[at];
      next_number_ += c == '\n';
      if (c == '"') {
        const bool twice = quoted && at + 1 < rest_.size() && rest_[at + 1] == '"';
        if (twice) {
          fields.back() += '"';
          ++at;
        } else {
          quoted = !quoted;
        }
      } else if (c == '\n' && !quoted) {
        ++at;
        break;
      } else if (c == delimiter_ && !quoted) {
        fields.emplace_back();
      } else {
        fields.back() += c;
      }
    }
    rest_.remove_prefix(at);
    for (std::string& field : fields) field = trimmed(field);
    return fields;
  }
  /// Of the record that came last, from 1.
  size_t number() const { return number_; }

 private:
  std::string_view rest_;
  char delimiter_;
  size_t number_ = 0, next_number_ = 1;
};

char delimiter_of(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  char best = ',';
  for (const char c : {';', '\t'}) {
    if (std::ranges::count(line, c) > std::ranges::count(line, best)) best = c;
  }
  return best;
}

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

enum Column : uint8_t { File, Class, X1, Y1, X2, Y2, W, H, ImageW, ImageH, kColumns };

/// Where the columns are; -1: nowhere.
struct Header {
  std::array<int, kColumns> place;
  bool has_line = true;

  Header() { place.fill(-1); }
  bool has(Column column) const { return place[column] >= 0; }
  bool is_whole() const {
    return has(File) && has(X1) && has(Y1) && ((has(X2) && has(Y2)) || (has(W) && has(H)));
  }
  std::string field(const Fields& fields, Column column) const {
    const auto at = static_cast<size_t>(place[column]);
    return has(column) && at < fields.size() ? fields[at] : "";
  }
};

std::string plain(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

std::optional<Header> named_header(const Fields& fields) {
  static const std::map<std::string, Column> kNames = {{"filename", File},
                                                       {"file", File},
                                                       {"image", File},
                                                       {"imagename", File},
                                                       {"imagepath", File},
                                                       {"path", File},
                                                       {"imageid", File},
                                                       {"img", File},
                                                       {"filepath", File},
                                                       {"class", Class},
                                                       {"label", Class},
                                                       {"name", Class},
                                                       {"category", Class},
                                                       {"classname", Class},
                                                       {"labelname", Class},
                                                       {"xmin", X1},
                                                       {"ymin", Y1},
                                                       {"xmax", X2},
                                                       {"ymax", Y2},
                                                       {"x1", X1},
                                                       {"y1", Y1},
                                                       {"x2", X2},
                                                       {"y2", Y2},
                                                       {"x", X1},
                                                       {"y", Y1},
                                                       {"w", W},
                                                       {"h", H},
                                                       {"width", W},
                                                       {"height", H},
                                                       {"bboxx", X1},
                                                       {"bboxy", Y1},
                                                       {"bboxwidth", W},
                                                       {"bboxheight", H},
                                                       {"imagewidth", ImageW},
                                                       {"imageheight", ImageH}};
  Header header;
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto found = kNames.find(plain(fields[i]));
    if (found != kNames.end() && header.place[found->second] < 0) {
      header.place[found->second] = static_cast<int>(i);
    }
  }
  // Beside corners, width and height are the picture's.
  if (header.has(X2) && header.has(Y2)) {
    if (!header.has(ImageW)) header.place[ImageW] = header.place[W];
    if (!header.has(ImageH)) header.place[ImageH] = header.place[H];
    header.place[W] = header.place[H] = -1;
  }
  if (!header.is_whole()) return std::nullopt;
  return header;
}

/// path,x1,y1,x2,y2,class
std::optional<Header> usual_header(const Fields& fields) {
  if (fields.size() != 6) return std::nullopt;
  const bool empty =
      std::all_of(fields.begin() + 1, fields.end(), [](auto& f) { return f.empty(); });
  const bool numbers = std::all_of(fields.begin() + 1, fields.begin() + 5,
                                   [](auto& field) { return number_of(field).has_value(); });
  if (!empty && !numbers) return std::nullopt;
  Header header;
  header.has_line = false;
  header.place[File] = 0;
  header.place[X1] = 1;
  header.place[Y1] = 2;
  header.place[X2] = 3;
  header.place[Y2] = 4;
  header.place[Class] = 5;
  return header;
}

/// The four numbers of a box as corners; nothing where one is missing.
std::optional<std::array<double, 4>> corners_in(const Header& header, const Fields& fields) {
  const auto x = number_of(header.field(fields, X1)), y = number_of(header.field(fields, Y1));
  const bool sides = header.has(W);
  const auto a = number_of(header.field(fields, sides ? W : X2)),
             b = number_of(header.field(fields, sides ? H : Y2));
  if (!x || !y || !a || !b) return std::nullopt;
  return std::array{*x, *y, sides ? *x + *a : *a, sides ? *y + *b : *b};
}

int64_t side_in(const Header& header, const Fields& fields, Column column) {
  const auto value = number_of(header.field(fields, column));
  return value && *value > 0 && *value < 1e6 ? static_cast<int64_t>(*value) : 0;
}

bool are_shares(const Records& records) {
  bool any = false;
  for (const PictureRecord& picture : records.pictures) {
    for (const PictureRecord::Object& object : picture.objects) {
      any = true;
      if (std::ranges::any_of(object.corners, [](double v) { return v < 0 || v > 1.01; })) {
        return false;
      }
    }
  }
  return any;
}

Records read_csv(const RecordsOptions& options, Complaints& complaints) {
  const auto file = RecordsDataset::source_of(options);
  const auto bytes = read_file("csv", file);
  std::vector<std::string> problems;
  Records records;
  try {
    records = parse_csv({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, problems);
  } catch (const DataError& error) {
    fail<DataError>("[csv] ", file.string(), ": ", error.what());
  }
  for (const std::string& problem : problems) complaints.dropped(problem);
  return records;
}

}  // namespace

Records parse_csv(std::string_view bytes, std::vector<std::string>& problems) {
  const DecodedText decoded = decode_text(bytes);
  const std::string_view text = decoded.text;
  CsvLines lines(text, delimiter_of(text));
  const auto first = lines.next();
  if (!first) fail<DataError>("is empty");
  auto header = named_header(*first);
  if (!header) header = usual_header(*first);
  if (!header) {
    fail<DataError>(
        "its first line is neither a header with columns for a file and a box (such as "
        "filename,xmin,ymin,xmax,ymax,class) nor path,x1,y1,x2,y2,class");
  }
  Records records;
  std::map<std::string, size_t> place;
  std::optional<Fields> fields = first;
  if (header->has_line) fields = lines.next();
  for (; fields; fields = lines.next()) {
    if (fields->size() == 1 && fields->front().empty()) continue;
    const std::string where = "line " + std::to_string(lines.number());
    const std::string file = header->field(*fields, File);
    if (file.empty()) {
      problems.push_back(where + " names no file");
      continue;
    }
    const auto [at, is_new] = place.emplace(file, records.pictures.size());
    if (is_new) {
      records.pictures.push_back({.file = file,
                                  .width = side_in(*header, *fields, ImageW),
                                  .height = side_in(*header, *fields, ImageH),
                                  .source = where});
    }
    const std::string x = header->field(*fields, X1);
    if (x.empty() && header->field(*fields, Y1).empty()) continue;  // a picture without objects
    const auto corners = corners_in(*header, *fields);
    const std::string name = header->has(Class) ? header->field(*fields, Class) : "object";
    if (!corners || name.empty()) {
      problems.push_back(where + (corners ? " has no class" : " has no box of four numbers"));
      continue;
    }
    records.pictures[at->second].objects.push_back({.name = name, .corners = *corners});
  }
  records.are_shares = are_shares(records);
  return records;
}

CsvDataset::CsvDataset(const CsvDatasetOptions& options)
    : CsvDataset(options, Complaints("[csv] " + source_of(options).string(), options.strict)) {}

CsvDataset::CsvDataset(const CsvDatasetOptions& options, Complaints complaints)
    : RecordsDataset("csv", read_csv(options, complaints), options, complaints) {}

}  // namespace kestrel
