#include <kestrel/kernels/strided_copy.h>

#include <algorithm>
#include <cstring>

#include <kestrel/kernels/common/compare.h>
#include <kestrel/kernels/common/strided_copy_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// The place of a walk's inner loop, moved on without divisions.
class Cursor {
 public:
  Cursor(const Walk& walk, int64_t loop) : walk_(walk), outer_(walk.dims - 1) {
    from = walk.from_start;
    to = walk.to_start;
    for (int d = outer_ - 1; d >= 0; --d) {
      places_[d] = loop % walk.sizes[d];
      loop /= walk.sizes[d];
      from += places_[d] * walk.from_strides[d];
      to += places_[d] * walk.to_strides[d];
    }
  }
  void advance() {
    for (int d = outer_ - 1; d >= 0; --d) {
      from += walk_.from_strides[d];
      to += walk_.to_strides[d];
      if (++places_[d] < walk_.sizes[d]) return;
      from -= places_[d] * walk_.from_strides[d];
      to -= places_[d] * walk_.to_strides[d];
      places_[d] = 0;
    }
  }

  int64_t from, to;

 private:
  const Walk& walk_;
  int outer_;
  int64_t places_[Shape::kMaxDims] = {};
};

template <class Word>
void copy_line(const Word* from, int64_t from_stride, Word* to, int64_t to_stride, int64_t count) {
  if (from_stride == 1 && to_stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(Word));
  } else if (from_stride == 0 && to_stride == 1) {
    std::fill(to, to + count, *from);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i * to_stride] = from[i * from_stride];
  }
}

}  // namespace

void strided_copy(ConstView from, View to, const Walk& given) {
  constexpr int64_t kBytesPerTask = 1 << 17;
  check_strided_copy(from, to, given);
  if (given.numel() == 0) return;
  visit_width(from.dtype, [&]<class Word>(Word) {
    Walk walk = given;
    if (walk.dims == 0) walk.sizes[walk.dims++] = 1;
    const auto* source = static_cast<const Word*>(from.data);
    auto* target = static_cast<Word*>(to.data);
    const int last = walk.dims - 1;
    const int64_t from_stride = walk.from_strides[last], to_stride = walk.to_strides[last];
    constexpr int64_t kPerTask = kBytesPerTask / static_cast<int64_t>(sizeof(Word));
    const int64_t length = walk.sizes[last], lines = walk.numel() / length;
    if (lines == 1) {
      parallel_for(length, kPerTask, [&](int64_t begin, int64_t end) {
        copy_line(source + walk.from_start + begin * from_stride, from_stride,
                  target + walk.to_start + begin * to_stride, to_stride, end - begin);
      });
      return;
    }
    parallel_for(lines, std::max<int64_t>(1, kPerTask / length), [&](int64_t begin, int64_t end) {
      Cursor cursor(walk, begin);
      for (int64_t line = begin; line < end; ++line, cursor.advance()) {
        copy_line(source + cursor.from, from_stride, target + cursor.to, to_stride, length);
      }
    });
  });
}

}  // namespace kestrel::cpu
