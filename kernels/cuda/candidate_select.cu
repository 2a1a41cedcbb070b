#include <kestrel/kernels/candidate_select.h>

#include <algorithm>
#include <limits>

#include <kestrel/kernels/common/candidate.h>
#include <kestrel/kernels/common/candidate_select_checks.h>
#include <kestrel/kernels/common/score_order.h>
#include <kestrel/kernels/cuda/box_rows.h>
#include <kestrel/kernels/cuda/fill.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/scan.h>
#include <kestrel/kernels/cuda/segments.h>
#include <kestrel/kernels/cuda/sort.h>

// The k smallest of many distinct keys, without sorting or storing them all: a histogram of the
// highest digit of the keys says in which bin the k-th lies; where the keys up to that bin are too
// many, a histogram of the next digit, of the keys in that bin alone, and so on. Keys up to the
// bound found are collected, in any order, and sorted. All passes are queued at once, and those
// that find the bound known already do nothing.

namespace kestrel::gpu {
namespace {

constexpr int kKeyBits = 64;
constexpr int kDigitBits = 13;
constexpr int kBins = 1 << kDigitBits;

/// Keys that may be collected where fewer are wanted: what one block sorts.
constexpr int64_t kSlack = 4096;

constexpr int kNarrowThreads = 1024;

struct Selection {
  uint64_t bound;      ///< Keys up to this one are collected, once the bound is known.
  uint64_t prefix;     ///< The higher digits of the k-th key.
  int64_t below;       ///< Keys whose higher digits are smaller than the prefix.
  uint32_t known;      ///< Whether the bound is.
  uint32_t collected;  ///< How many keys were.
};

/// Logits above the threshold, with their positions.
template <class T, int size>
struct LogitKeys {
  const Vector<T, size>* logits;
  float threshold;

  template <class F>
  __device__ void visit(int64_t unit, F f) const {
    const Vector<T, size> x = logits[unit];
    for (int k = 0; k < size; ++k) {
      const auto value = static_cast<float>(x[k]);
      if (value > threshold) f(descending_key(value, unit * size + k));
    }
  }
};

/// Keys as they lie in memory.
struct StoredKeys {
  const uint64_t* keys;

  template <class F>
  __device__ void visit(int64_t unit, F f) const {
    f(keys[unit]);
  }
};

/// Adds to the bins, by their bits [low, high), the keys with the prefix above.
template <class Source>
__global__ void histogram_kernel(int64_t units, Source source, int high, int low,
                                 const Selection* selection, uint32_t* bins) {
  SHARED(uint32_t, own, [kBins]);
  const bool known = selection->known != 0;
  const int used = known ? 0 : kBins;
  const uint64_t prefix = selection->prefix;
  const auto mask = static_cast<uint64_t>((1 << (high - low)) - 1);
  const int step = static_cast<int>(blockDim.x);
  for (int bin = static_cast<int>(threadIdx.x); bin < used; bin += step) own[bin] = 0;
  __syncthreads();
  for (const int64_t unit : grid_stride(known ? 0 : units)) {
    source.visit(unit, [&](uint64_t key) {
      if (high == kKeyBits || key >> high == prefix) atomicAdd(&own[key >> low & mask], 1u);
    });
  }
  __syncthreads();
  for (int bin = static_cast<int>(threadIdx.x); bin < used; bin += step) {
    if (own[bin] != 0) atomicAdd(&bins[bin], own[bin]);
  }
}

/// Finds the bin of the k-th key and leaves the bins empty. One block of kNarrowThreads.
__global__ void narrow_kernel(int64_t k, int64_t capacity, int high, int low, Selection* selection,
                              uint32_t* bins) {
  SHARED(int64_t, scratch, [kWarp]);
  using Bins = Pack<uint32_t>;
  constexpr int kPacks = kBins / kNarrowThreads / Bins::kSize;
  constexpr int kOwn = kPacks * Bins::kSize;
  const Selection before = *selection;
  uint32_t counts[kOwn];
  int64_t sum = 0;
  for (int p = 0; p < kPacks; ++p) {
    Bins& pack = vectors<Bins::kSize>(bins)[threadIdx.x * kPacks + p];
    const Bins own = pack;
    const Bins none{};
    pack = none;
    for (int b = 0; b < Bins::kSize; ++b) {
      counts[p * Bins::kSize + b] = own[b];
      sum += own[b];
    }
  }
  int64_t total = 0;
  int64_t upto = before.below + block_exclusive_sum(sum, scratch, total);
  const bool few = before.below + total < k;  // keys in all, and found at the first digit
  if (!before.known && few && threadIdx.x == 0) selection->known = 1;
  for (int b = 0; b < kOwn; ++b) {
    const int64_t below = upto;
    upto += counts[b];
    if (before.known || few || below >= k || upto < k) continue;
    const uint64_t higher = high == kKeyBits ? 0 : before.prefix << (high - low);
    const uint64_t prefix = higher | (threadIdx.x * kOwn + static_cast<unsigned>(b));
    selection->prefix = prefix;
    selection->below = below;
    if (upto <= capacity) {
      selection->bound = prefix << low | ((uint64_t{1} << low) - 1);
      selection->known = 1;
    }
  }
}

template <class Source>
__global__ void collect_kernel(int64_t units, Source source, Selection* selection, uint64_t* keys) {
  const uint64_t bound = selection->bound;
  for (const int64_t unit : grid_stride(units)) {
    source.visit(unit, [&](uint64_t key) {
      if (key <= bound) keys[atomicAdd(&selection->collected, 1u)] = key;
    });
  }
}

/// The k smallest of at most n keys of a source, and perhaps a few more, in ascending order.
class SmallestKeys {
 public:
  /// `units`: of the source, which may hold several keys each.
  template <class Source>
  SmallestKeys(const Source& source, int64_t units, int64_t n, int64_t k, Stream stream)
      : capacity_(std::min(n, std::max(k, kSlack))),
        keys_(capacity_, stream),
        selection_(1, stream) {
    constexpr uint64_t kLast = ~uint64_t{0};
    fill(selection_.get(), 1, Selection{kLast, 0, 0, 0, 0}, stream);
    if (n > capacity_) narrow(source, units, k, stream);
    fill(keys_.get(), capacity_, kLast, stream);
    launch_1d(collect_kernel<Source>, units, stream, source, selection_.get(), keys_.get());
    const Scratch<uint64_t> spare(capacity_, stream);
    sort_keys(keys_.get(), spare.get(), capacity_, 0, stream);
  }

  const uint64_t* get() const { return keys_.get(); }
  const Selection* selection() const { return selection_.get(); }

 private:
  template <class Source>
  void narrow(const Source& source, int64_t units, int64_t k, Stream stream) {
    constexpr int64_t kMostBlocks = 1024;  // each adds its bins to those of all
    const int threads = block_size();
    const int64_t blocks = std::min((units + threads - 1) / threads, kMostBlocks);
    const Scratch<uint32_t> bins(kBins, stream);
    fill(bins.get(), kBins, 0u, stream);
    for (int high = kKeyBits; high > 0; high -= kDigitBits) {
      const int low = std::max(0, high - kDigitBits);
      launch(histogram_kernel<Source>,
             {dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)), 0, stream},
             units, source, high, low, selection_.get(), bins.get());
      launch(narrow_kernel, {dim3(1), dim3(kNarrowThreads), 0, stream}, k, capacity_, high, low,
             selection_.get(), bins.get());
    }
  }

  int64_t capacity_;
  Scratch<uint64_t> keys_;
  Scratch<Selection> selection_;
};

template <class T>
__global__ void write_pairs_kernel(int64_t k, const uint64_t* keys, const Selection* selection,
                                   const T* logits, int64_t* indices, float* values,
                                   int64_t* count) {
  const int64_t found = std::min(k, int64_t{selection->collected});
  if (blockIdx.x == 0 && threadIdx.x == 0) *count = found;
  for (const int64_t i : grid_stride(found)) {
    const int64_t index = index_of_key(keys[i]);
    indices[i] = index;
    values[i] = static_cast<float>(logits[index]);
  }
}

/// A key per row: its maximum and number. `lanes` lanes share a row.
template <class T, int size>
__global__ void row_keys_kernel(int64_t n, int64_t width, int lanes, const Vector<T, size>* logits,
                                uint64_t* keys) {
  const Segment segment = warp_segment(n, kWarp / lanes);
  const int64_t row = segment.begin + segment.lane / lanes;
  const int first = segment.lane % lanes;
  const bool inside = row < segment.end;
  const int skew = sector_skew<Vector<T, size>>(row * width, lanes);
  float best = -std::numeric_limits<float>::infinity();
  for (int64_t c = first - skew; inside && c < width; c += lanes) {
    const Vector<T, size> x = logits[row * width + (c < 0 ? 0 : c)];
    for (int k = 0; k < size; ++k) {
      const auto value = static_cast<float>(x[k]);
      best = value > best ? value : best;
    }
  }
  best = group_reduce<Max>(best, lanes);
  if (inside && first == 0) keys[row] = descending_key(best, row);
}

__global__ void write_rows_kernel(int64_t k, const uint64_t* keys, int64_t* rows) {
  for (const int64_t i : grid_stride(k)) rows[i] = index_of_key(keys[i]);
}

__global__ void split_kernel(int64_t k, const int64_t* positions, int64_t columns, int64_t* rows,
                             int64_t* remainders) {
  for (const int64_t i : grid_stride(k)) {
    const int64_t position = positions[i];
    rows[i] = position / columns;
    remainders[i] = position % columns;
  }
}

template <bool packed>
__global__ void score_kernel(int64_t k, const float* boxes, const float* logits,
                             CandidateParams params, float* out, float* scores) {
  for (const int64_t i : grid_stride(k)) {
    const ScoredBox scored = score_candidate(load_row<packed>(boxes, i), logits[i], params);
    store_row<packed>(scored.box, out, i);
    scores[i] = scored.score;
  }
}

template <class T, int size>
void select_vectors(const T* logits, int64_t n, float threshold, int64_t k, int64_t* indices,
                    float* values, int64_t* count, Stream stream) {
  const LogitKeys<T, size> source{vectors<size>(logits), threshold};
  const SmallestKeys smallest(source, n / size, n, k, stream);
  launch_1d(write_pairs_kernel<T>, k, stream, smallest.get(), smallest.selection(), logits, indices,
            values, count);
}

}  // namespace

void select_above(ConstView logits, float threshold, View indices, View values, View count,
                  Stream stream) {
  check_select_above(logits, indices, values, count);
  const int64_t n = logits.numel();
  const int64_t k = std::min(n, indices.numel());
  if (k == 0) {
    fill(count.as<int64_t>(), 1, int64_t{0}, stream);
    return;
  }
  visit_logits(logits, [&]<class T>(const T* x) {
    const auto select = is_packed(x, n) ? select_vectors<T, Pack<T>::kSize> : select_vectors<T, 1>;
    select(x, n, threshold, k, indices.as<int64_t>(), values.as<float>(), count.as<int64_t>(),
           stream);
  });
}

void select_rows(ConstView logits, View rows, Stream stream) {
  check_select_rows(logits, rows);
  const int64_t n = logits.size(0);
  const int64_t classes = logits.size(1);
  const int64_t k = rows.numel();
  if (k == 0) return;
  const Scratch<uint64_t> keys(n, stream);
  visit_logits(logits, [&]<class T>(const T* x) {
    const auto start = [&]<int size>(std::integral_constant<int, size>) {
      const int64_t width = classes / size;
      const int lanes = lanes_per_row(width);
      launch_segments(row_keys_kernel<T, size>, n, kWarp / lanes, stream, width, lanes,
                      vectors<size>(x), keys.get());
    };
    visit_pack<T>(is_packed(x, classes), start);
  });
  const SmallestKeys smallest(StoredKeys{keys.get()}, n, n, k, stream);
  launch_1d(write_rows_kernel, k, stream, smallest.get(), rows.as<int64_t>());
}

void split_positions(ConstView positions, int64_t columns, View rows, View remainders,
                     Stream stream) {
  check_split_positions(positions, columns, rows, remainders);
  launch_1d(split_kernel, positions.numel(), stream, positions.as<int64_t>(), columns,
            rows.as<int64_t>(), remainders.as<int64_t>());
}

void score_candidates(ConstView boxes, ConstView logits, const CandidateParams& params, View out,
                      View scores, Stream stream) {
  check_score_candidates(boxes, logits, params, out, scores);
  const bool packed = is_packed(boxes.as<float>(), 4) && is_packed(out.as<float>(), 4);
  launch_1d(packed ? score_kernel<true> : score_kernel<false>, logits.numel(), stream,
            boxes.as<float>(), logits.as<float>(), params, out.as<float>(), scores.as<float>());
}

}  // namespace kestrel::gpu
