// no-fmad: overlaps are compared with the threshold, and every device decides alike.
#include <kestrel/kernels/nms.h>

#include <cmath>

#include <kestrel/kernels/common/nms_checks.h>
#include <kestrel/kernels/common/score_order.h>
#include <kestrel/kernels/cuda/box_rows.h>
#include <kestrel/kernels/cuda/fill.h>
#include <kestrel/kernels/cuda/reduce.h>
#include <kestrel/kernels/cuda/scratch.h>
#include <kestrel/kernels/cuda/sort.h>

// The boxes are sorted by score and taken in chunks. Within a chunk, bits say which earlier boxes
// would suppress each one, and one block settles who is kept: in each round a box goes if one that
// is kept suppresses it, and is kept if all that would are gone. Then the boxes of later chunks are
// tested against those kept, so that memory and work never reach n x n.

namespace kestrel::gpu {
namespace {

constexpr int kChunk = 1024;
constexpr int kWords = kChunk / kWarp;
static_assert(kWords == kWarp, "a lane looks at one word of a chunk");

/// Threads of a block that looks for suppressors in a chunk.
constexpr int kPairThreads = 256;

/// Boxes that a block tests its own against at a time.
constexpr int kTile = 128;

/// 32 bytes without padding.
struct alignas(16) Candidate {
  geometry::BoxOf<float> box;
  float area;
  int32_t takes_part;  ///< Area is positive and finite.
  int64_t label;
};

struct NmsState {
  int64_t kept;        ///< Of the chunks so far.
  int64_t chunk_kept;  ///< Of the last one.
};

__device__ bool suppress_each_other(const Candidate& a, const Candidate& b, float threshold) {
  if (!a.takes_part || !b.takes_part || a.label != b.label) return false;
  const float inter = geometry::intersection(a.box, b.box);
  return inter > threshold * (a.area + b.area - inter);
}

__global__ void key_kernel(int64_t n, const float* scores, uint64_t* keys) {
  for (const int64_t i : grid_stride(n)) keys[i] = descending_key(scores[i], i);
}

template <bool packed>
__global__ void gather_kernel(int64_t n, const uint64_t* keys, const float* boxes,
                              const int64_t* classes, Candidate* candidates, uint8_t* gone) {
  for (const int64_t i : grid_stride(n)) {
    const int64_t from = index_of_key(keys[i]);
    Candidate c;
    c.box = load_row<packed>(boxes, from);
    c.area = geometry::area(c.box);
    c.takes_part =
        c.box.x2 > c.box.x1 && c.box.y2 > c.box.y1 && c.area > 0 && std::isfinite(c.area);
    c.label = classes ? classes[from] : 0;
    candidates[i] = c;
    gone[i] = 0;
  }
}

/// suppressors (kWords, kChunk): bit k of (w, i) says that box 32 w + k of the chunk, which comes
/// before box i, suppresses it if kept. Only words up to i / 32 are written. Blocks (kChunk /
/// kPairThreads, kWords) of kPairThreads.
__global__ void suppressor_kernel(int64_t n, int64_t begin, const Candidate* candidates,
                                  float threshold, int64_t limit, const NmsState* state,
                                  uint32_t* suppressors) {
  SHARED(Candidate, earlier, [kWarp]);
  const int thread = static_cast<int>(threadIdx.x);
  const int word = static_cast<int>(blockIdx.y);
  const int i = static_cast<int>(blockIdx.x) * kPairThreads + thread;
  const int64_t first = begin + word * kWarp;
  if (thread < kWarp && first + thread < n) earlier[thread] = candidates[first + thread];
  __syncthreads();
  if (state->kept < limit && begin + i < n && word <= i / kWarp) {
    const Candidate own = candidates[begin + i];
    uint32_t bits = 0;
    for (int k = 0; k < kWarp && word * kWarp + k < i; ++k) {
      if (suppress_each_other(earlier[k], own, threshold)) bits |= 1u << k;
    }
    suppressors[word * kChunk + i] = bits;
  }
}

/// One block of kChunk threads, one per box of the chunk. Appends the indices of the boxes that are
/// kept to `kept`, up to `limit`, and writes their places in the chunk to `chosen`.
__global__ void settle_kernel(int64_t n, int64_t begin, const uint64_t* keys, const uint8_t* gone,
                              const uint32_t* suppressors, int64_t limit, NmsState* state,
                              int32_t* chosen, int64_t* kept) {
  SHARED(uint32_t, kept_bits, [kWords]);
  SHARED(uint32_t, open_bits, [kWords]);
  const int i = static_cast<int>(threadIdx.x);
  const int word = i / kWarp;
  const int lane = i % kWarp;
  const int64_t before = state->kept;
  bool open = before < limit && begin + i < n && gone[begin + i] == 0;
  bool keep = false;
  int first = 0;  // words before it hold none that is open and suppresses this box

  const unsigned open_at_first = __ballot_sync(kFullWarp, open);
  if (lane == 0) {
    kept_bits[word] = 0;
    open_bits[word] = open_at_first;
  }
  __syncthreads();
  while (__any_sync(kFullWarp, open_bits[lane] != 0)) {
    bool goes = false;
    bool waits = false;
    for (int w = first; open && w <= word; ++w) {
      const uint32_t by = suppressors[w * kChunk + i];
      goes = goes || (by & kept_bits[w]) != 0;
      waits = waits || (by & open_bits[w]) != 0;
      if (!waits) first = w + 1;
    }
    keep = keep || (open && !goes && !waits);
    open = open && !goes && waits;
    const unsigned now_kept = __ballot_sync(kFullWarp, keep);
    const unsigned now_open = __ballot_sync(kFullWarp, open);
    __syncthreads();
    if (lane == 0) {
      kept_bits[word] = now_kept;
      open_bits[word] = now_open;
    }
    __syncthreads();
  }

  int rank = __popc(kept_bits[word] & ((1u << lane) - 1));
  int total = 0;
  for (int w = 0; w < kWords; ++w) {
    const int count = __popc(kept_bits[w]);
    if (w < word) rank += count;
    total += count;
  }
  if (keep && rank < limit - before) {
    kept[before + rank] = index_of_key(keys[begin + i]);
    chosen[rank] = i;
  }
  if (i == 0) {
    const int64_t room = limit - before;
    const int64_t counted = total < room ? total : room;
    *state = {before + counted, counted};
  }
}

/// Marks the boxes from `end` on that a chosen box of the chunk suppresses.
__global__ void suppress_kernel(int64_t n, int64_t begin, int64_t end, const Candidate* candidates,
                                float threshold, int64_t limit, const NmsState* state,
                                const int32_t* chosen, uint8_t* gone) {
  SHARED(Candidate, tile, [kTile]);
  const int64_t i = end + int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int count = state->kept < limit ? static_cast<int>(state->chunk_kept) : 0;
  const bool was_open = i < n && gone[i] == 0;
  bool open = was_open;
  Candidate own{};
  if (open) own = candidates[i];
  for (int first = 0; first < count; first += kTile) {
    const int size = count - first < kTile ? count - first : kTile;
    __syncthreads();
    for (int k = static_cast<int>(threadIdx.x); k < size; k += static_cast<int>(blockDim.x)) {
      tile[k] = candidates[begin + chosen[first + k]];
    }
    __syncthreads();
    for (int k = 0; open && k < size; ++k) open = !suppress_each_other(tile[k], own, threshold);
  }
  if (was_open && !open) gone[i] = 1;
}

/// Queues the sweep over sorted candidates.
void sweep(int64_t n, const uint64_t* keys, const Candidate* candidates, uint8_t* gone,
           float threshold, int64_t limit, NmsState* state, int64_t* kept, Stream stream) {
  const Scratch<uint32_t> suppressors(kWords * kChunk, stream);
  const Scratch<int32_t> chosen(kChunk, stream);
  const int threads = block_size();
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    const int64_t end = std::min(n, begin + kChunk);
    launch(suppressor_kernel, {dim3(kChunk / kPairThreads, kWords), dim3(kPairThreads), 0, stream},
           n, begin, candidates, threshold, limit, state, suppressors.get());
    launch(settle_kernel, {dim3(1), dim3(kChunk), 0, stream}, n, begin, keys, gone,
           suppressors.get(), limit, state, chosen.get(), kept);
    if (end == n) break;
    const dim3 blocks(static_cast<unsigned>((n - end + threads - 1) / threads));
    launch(suppress_kernel, {blocks, dim3(static_cast<unsigned>(threads)), 0, stream}, n, begin,
           end, candidates, threshold, limit, state, chosen.get(), gone);
  }
}

}  // namespace

int64_t nms(ConstView boxes, ConstView scores, ConstView classes, const NmsParams& params,
            View kept, Stream stream) {
  check_nms(boxes, scores, classes, params, kept);
  const int64_t n = scores.numel();
  const int64_t limit = params.max_kept < 0 ? n : std::min(n, params.max_kept);
  if (limit == 0) return 0;
  const Scratch<uint64_t> keys(n, stream);
  const Scratch<uint64_t> spare(n, stream);
  launch_1d(key_kernel, n, stream, scores.as<float>(), keys.get());
  sort_keys(keys.get(), spare.get(), n, 32, stream);

  const Scratch<Candidate> candidates(n, stream);
  const Scratch<uint8_t> gone(n, stream);
  launch_1d(is_packed(boxes.as<float>(), 4) ? gather_kernel<true> : gather_kernel<false>, n, stream,
            keys.get(), boxes.as<float>(), classes ? classes.as<int64_t>() : nullptr,
            candidates.get(), gone.get());
  const Scratch<NmsState> state(1, stream);
  fill(state.get(), 1, NmsState{0, 0}, stream);
  sweep(n, keys.get(), candidates.get(), gone.get(), static_cast<float>(params.iou_threshold),
        limit, state.get(), kept.as<int64_t>(), stream);
  NmsState result;
  copy_to_host(&result, state.get(), sizeof(result), stream);
  return result.kept;
}

}  // namespace kestrel::gpu
