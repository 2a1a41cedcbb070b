// Built with -ffp-contract=off: a fused multiply-add would round unlike the reference.
#include <kestrel/detection/masks/rle_mask.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

constexpr int64_t kMaxPixels = std::numeric_limits<uint32_t>::max();

void check_size(int64_t height, int64_t width) {
  if (height < 0 || width < 0 || (width > 0 && height > kMaxPixels / width))
    fail<DataError>("[mask] size must be of at least 0 and below 2^32 pixels, got ", height, " x ",
                    width);
}

[[noreturn]] void fail_sum(int64_t sum, int64_t height, int64_t width) {
  fail<DataError>("[mask] run lengths add up to ", sum, ", but ", height, " x ", width, " is ",
                  height * width, " pixels");
}

/// Walks over the runs of a mask, never standing on an empty one before the end.
class RunCursor {
 public:
  explicit RunCursor(const RleMask& mask) : counts_(mask.counts) { advance(0); }

  uint32_t left() const { return left_; }
  bool value() const { return value_; }
  bool done() const { return left_ == 0; }
  void advance(uint32_t pixels) {
    left_ -= pixels;
    while (left_ == 0 && next_ < counts_.size()) {
      value_ = next_ % 2 == 1;
      left_ = counts_[next_++];
    }
  }

 private:
  std::span<const uint32_t> counts_;
  size_t next_ = 0;
  uint32_t left_ = 0;
  bool value_ = false;
};

/// Appends `length` pixels of `value` to run lengths that alternate from zeros on.
void append_run(std::vector<uint32_t>& counts, bool value, uint32_t length) {
  if (counts.empty()) counts.push_back(0);
  const bool last = counts.size() % 2 == 0;
  if (last == value)
    counts.back() += length;
  else if (length > 0)
    counts.push_back(length);
}

RleMask merge(const RleMask& a, const RleMask& b, MaskMerge how) {
  KESTREL_CHECK(a.height == b.height && a.width == b.width,
                "[mask] masks to merge must have one size, got ", a.height, " x ", a.width, " and ",
                b.height, " x ", b.width);
  RleMask result{a.height, a.width, {}};
  append_run(result.counts, false, 0);
  RunCursor at_a(a), at_b(b);
  while (!at_a.done() && !at_b.done()) {
    const uint32_t length = std::min(at_a.left(), at_b.left());
    const bool value =
        how == MaskMerge::kUnion ? at_a.value() || at_b.value() : at_a.value() && at_b.value();
    append_run(result.counts, value, length);
    at_a.advance(length);
    at_b.advance(length);
  }
  return result;
}

/// The fine grid that outlines are rounded to has this many cells a pixel.
constexpr int kScale = 5;

/// A vertex of an outline on the fine grid: cells from the image's left and upper edge.
struct FinePoint {
  int u, v;
};

/// Adds, for every pixel column whose centre the edge from `a` to `b` crosses, the pixel before
/// which it does, counted down the columns. The edge is the points of the fine grid, one per step
/// along its longer axis; the centre of column x lies between the points' 5x + 2 and 5x + 3. Only
/// these two are looked for, so points far outside the image cost nothing.
void add_crossings(FinePoint a, FinePoint b, int64_t height, int64_t width,
                   std::vector<uint32_t>& pixels) {
  const int du = std::abs(b.u - a.u), dv = std::abs(b.v - a.v);
  const bool flat = du >= dv;
  if (flat ? a.u > b.u : a.v > b.v) std::swap(a, b);
  const int steps = flat ? du : dv;
  const double slope = steps == 0 ? 0. : static_cast<double>(flat ? b.v - a.v : b.u - a.u) / steps;
  const auto minor = [&](int step) {
    return static_cast<int>((flat ? a.v : a.u) + slope * step + .5);
  };
  // The first step at which the points of a steep edge are past the centre that follows cell u.
  const auto first_past = [&](int u) {
    const auto past = [&](int step) { return slope > 0 ? minor(step) > u : minor(step) <= u; };
    int step = std::clamp(static_cast<int>((u + .5 - a.u) / slope), 1, steps);
    while (step > 1 && past(step - 1)) --step;
    while (step < steps && !past(step)) ++step;
    return step;
  };
  const int64_t first = std::max(0, (std::min(a.u, b.u) + kScale - 3) / kScale);
  const int64_t last = std::min<int64_t>(width - 1, (std::max(a.u, b.u) + kScale - 3) / kScale - 1);
  for (int64_t x = first; x <= last; ++x) {
    const int u = static_cast<int>(kScale * x + 2);
    const int v = flat ? std::min(minor(u - a.u), minor(u + 1 - a.u)) : first_past(u) - 1 + a.v;
    const double y = std::clamp((v + .5) / kScale - .5, 0., static_cast<double>(height));
    pixels.push_back(static_cast<uint32_t>(x * height + static_cast<int64_t>(std::ceil(y))));
  }
}

/// Run lengths between crossings. Two crossings at one place undo each other.
std::vector<uint32_t> runs_between(std::vector<uint32_t> pixels, int64_t height, int64_t width) {
  std::sort(pixels.begin(), pixels.end());
  pixels.push_back(static_cast<uint32_t>(height * width));
  std::vector<uint32_t> counts{pixels.front()};
  for (size_t i = 1; i < pixels.size(); ++i) {
    if (const uint32_t length = pixels[i] - pixels[i - 1]; length > 0)
      counts.push_back(length);
    else if (++i < pixels.size())
      counts.back() += pixels[i] - pixels[i - 1];
  }
  return counts;
}

}  // namespace

void check_mask(const RleMask& mask) {
  check_size(mask.height, mask.width);
  int64_t sum = 0;
  for (const uint32_t count : mask.counts) sum += count;
  if (sum != mask.height * mask.width) fail_sum(sum, mask.height, mask.width);
}

RleMask mask_from_counts(std::span<const int64_t> counts, int64_t height, int64_t width) {
  check_size(height, width);
  RleMask mask{height, width, {}};
  mask.counts.reserve(counts.size());
  int64_t sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] < 0 || counts[i] > kMaxPixels)
      fail<DataError>("[mask] run length ", i, " must be from 0 to ", height * width, ", got ",
                      counts[i]);
    sum += counts[i];
    mask.counts.push_back(static_cast<uint32_t>(counts[i]));
  }
  if (sum != height * width) fail_sum(sum, height, width);
  return mask;
}

RleMask mask_from_string(std::string_view text, int64_t height, int64_t width) {
  check_size(height, width);
  const int64_t pixels = height * width;
  RleMask mask{height, width, {}};
  mask.counts.reserve(text.size());
  int64_t sum = 0;
  for (size_t at = 0; at < text.size();) {
    int64_t value = 0;
    bool more = true;
    for (int shift = 0; more; shift += 5) {
      if (at == text.size())
        fail<DataError>("[mask] compressed counts end inside a number, after ", at, " characters");
      const int group = static_cast<unsigned char>(text[at]) - '0';
      if (group < 0 || group > 63)
        fail<DataError>("[mask] character ", at, " of compressed counts has code ",
                        static_cast<int>(static_cast<unsigned char>(text[at])),
                        "; it must be from '0' to 'o'");
      if (shift > 35)
        fail<DataError>("[mask] the number at character ", at,
                        " of compressed counts has more than 8 digits");
      ++at;
      value |= static_cast<int64_t>(group & 0x1f) << shift;
      more = group & 0x20;
      if (!more && (group & 0x10)) value -= int64_t{1} << (shift + 5);
    }
    if (mask.counts.size() > 2) value += mask.counts[mask.counts.size() - 2];
    if (value < 0 || value > pixels)
      fail<DataError>("[mask] run length ", mask.counts.size(), " must be from 0 to ", pixels,
                      ", got ", value);
    sum += value;
    mask.counts.push_back(static_cast<uint32_t>(value));
  }
  if (sum != pixels) fail_sum(sum, height, width);
  return mask;
}

std::string mask_to_string(const RleMask& mask) {
  std::string text;
  text.reserve(mask.counts.size() * 2);
  for (size_t i = 0; i < mask.counts.size(); ++i) {
    int64_t value = mask.counts[i];
    if (i > 2) value -= mask.counts[i - 2];
    bool more = true;
    while (more) {
      int group = static_cast<int>(value & 0x1f);
      value >>= 5;
      more = (group & 0x10) ? value != -1 : value != 0;
      if (more) group |= 0x20;
      text.push_back(static_cast<char>(group + '0'));
    }
  }
  return text;
}

RleMask mask_from_polygon(std::span<const double> xy, int64_t height, int64_t width) {
  check_size(height, width);
  if (height == 0 || width == 0)
    fail<DataError>("[mask] a polygon needs the size of its image, got ", height, " x ", width);
  if (xy.size() % 2 != 0 || xy.size() < 6)
    fail<DataError>("[mask] a polygon is an even count of at least 6 numbers, got ", xy.size());
  std::vector<FinePoint> outline(xy.size() / 2);
  for (size_t i = 0; i < xy.size(); ++i) {
    if (!(std::abs(xy[i]) <= 1e6))
      fail<DataError>("[mask] number ", i, " of a polygon must be within +-1e6, got ", xy[i]);
    const int cell = static_cast<int>(kScale * xy[i] + .5);
    (i % 2 == 0 ? outline[i / 2].u : outline[i / 2].v) = cell;
  }
  std::vector<uint32_t> pixels;
  for (size_t i = 0; i < outline.size(); ++i)
    add_crossings(outline[i], outline[i + 1 < outline.size() ? i + 1 : 0], height, width, pixels);
  return {height, width, runs_between(std::move(pixels), height, width)};
}

RleMask mask_from_polygons(std::span<const std::vector<double>> polygons, int64_t height,
                           int64_t width) {
  if (polygons.empty()) fail<DataError>("[mask] a list of polygons must not be empty");
  RleMask mask = mask_from_polygon(polygons[0], height, width);
  for (const auto& polygon : polygons.subspan(1))
    mask = merge(mask, mask_from_polygon(polygon, height, width), MaskMerge::kUnion);
  return mask;
}

RleMask mask_from_pixels(std::span<const uint8_t> pixels, int64_t height, int64_t width) {
  check_size(height, width);
  KESTREL_CHECK(std::ssize(pixels) == height * width, "[mask] ", height, " x ", width,
                " pixels expected, got ", pixels.size());
  RleMask mask{height, width, {}};
  append_run(mask.counts, false, 0);
  for (int64_t x = 0; x < width; ++x)
    for (int64_t y = 0; y < height; ++y) append_run(mask.counts, pixels[y * width + x] != 0, 1);
  return mask;
}

std::vector<uint8_t> mask_to_pixels(const RleMask& mask) {
  check_mask(mask);
  std::vector<uint8_t> pixels(mask.height * mask.width);
  int64_t at = 0;
  for (size_t i = 0; i < mask.counts.size(); ++i)
    for (uint32_t n = 0; n < mask.counts[i]; ++n, ++at)
      pixels[at % mask.height * mask.width + at / mask.height] = i % 2;
  return pixels;
}

RleMask mask_merge(std::span<const RleMask> masks, MaskMerge how) {
  KESTREL_CHECK(!masks.empty(), "[mask] there must be a mask to merge");
  RleMask result = masks[0];
  for (const RleMask& mask : masks.subspan(1)) result = merge(result, mask, how);
  return result;
}

int64_t mask_area(const RleMask& mask) {
  int64_t area = 0;
  for (size_t i = 1; i < mask.counts.size(); i += 2) area += mask.counts[i];
  return area;
}

std::array<double, 4> mask_box(const RleMask& mask) {
  int64_t x1 = mask.width, y1 = mask.height, x2 = -1, y2 = -1, begin = 0;
  for (size_t i = 0; i < mask.counts.size(); ++i) {
    const int64_t end = begin + mask.counts[i];
    if (i % 2 == 1 && end > begin) {
      const int64_t first = begin / mask.height, last = (end - 1) / mask.height;
      const bool one_column = first == last;
      x1 = std::min(x1, first);
      x2 = std::max(x2, last);
      y1 = std::min(y1, one_column ? begin % mask.height : 0);
      y2 = std::max(y2, one_column ? (end - 1) % mask.height : mask.height - 1);
    }
    begin = end;
  }
  if (x2 < 0) return {0, 0, 0, 0};
  return {static_cast<double>(x1), static_cast<double>(y1), static_cast<double>(x2 - x1 + 1),
          static_cast<double>(y2 - y1 + 1)};
}

double mask_iou(const RleMask& detection, const RleMask& truth, bool crowd) {
  KESTREL_CHECK(detection.height == truth.height && detection.width == truth.width,
                "[mask] masks to compare must have one size, got ", detection.height, " x ",
                detection.width, " and ", truth.height, " x ", truth.width);
  int64_t both = 0, any = 0;
  RunCursor a(detection), b(truth);
  while (!a.done() && !b.done()) {
    const uint32_t length = std::min(a.left(), b.left());
    if (a.value() || b.value()) any += length;
    if (a.value() && b.value()) both += length;
    a.advance(length);
    b.advance(length);
  }
  if (both == 0) return 0;
  return static_cast<double>(both) / static_cast<double>(crowd ? mask_area(detection) : any);
}

double coco_box_iou(const std::array<double, 4>& detection, const std::array<double, 4>& truth,
                    bool crowd) {
  const auto& d = detection;
  const auto& g = truth;
  const double w = std::min(d[2] + d[0], g[2] + g[0]) - std::max(d[0], g[0]);
  if (w <= 0) return 0;
  const double h = std::min(d[3] + d[1], g[3] + g[1]) - std::max(d[1], g[1]);
  if (h <= 0) return 0;
  const double detection_area = d[2] * d[3], truth_area = g[2] * g[3];
  const double both = w * h;
  return both / (crowd ? detection_area : detection_area + truth_area - both);
}

}  // namespace kestrel
