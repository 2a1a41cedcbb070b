#pragma once

#include <algorithm>

#include <kestrel/kernels/common/channel_map.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/reduce.h>
#include <kestrel/kernels/cuda/scratch.h>

/// Kernels over feature maps in which a thread keeps to a few channels: it reads their coefficients
/// once, or holds their sums, while it walks down the rows.
namespace kestrel::gpu {

inline constexpr int kTileThreads = 256;

/// Packs of N channels that a tile is wide at most: 512 bytes of a row, where they are packs.
template <class T, int N>
inline constexpr int kTileWidth = std::min(128, 512 / (N * static_cast<int>(sizeof(T))));

/// How a map is cut into tiles, one per block of kTileThreads: `width` packs of N channels by
/// `chunk_rows` rows of one image. Depends on the shape alone, so that sums do.
struct ChannelTiles {
  int64_t images, rows, packs;
  int64_t chunk_rows, chunks;  ///< Chunks of an image, one below the other.
  int64_t across;              ///< Tiles side by side.
  int width;

  int64_t blocks() const { return images * chunks * across; }
  KESTREL_HOST_DEVICE int height() const { return kTileThreads / width; }
  /// Rows of a chunk, which counts over all images.
  KESTREL_HOST_DEVICE int64_t rows_of(int64_t chunk) const {
    const int64_t left = rows - chunk % chunks * chunk_rows;
    return left < chunk_rows ? left : chunk_rows;
  }
};

template <class T, int N>
ChannelTiles channel_tiles(const ChannelMap& map) {
  constexpr int64_t kBlocks = 2048;                   // enough to fill a GPU evenly
  constexpr int64_t kLeastRows = 8, kMostRows = 128;  // of a thread
  const auto ceil_div = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  const int64_t packs = map.channels / N;
  const int64_t across = std::max<int64_t>(1, ceil_div(packs, kTileWidth<T, N>));
  const int64_t width = std::max<int64_t>(1, ceil_div(packs, across));
  const int64_t height = kTileThreads / width;
  const int64_t thread_rows =
      std::clamp(ceil_div(map.images * map.rows * across, kBlocks * height), kLeastRows, kMostRows);
  const int64_t chunk_rows = thread_rows * height;
  return {.images = map.images,
          .rows = map.rows,
          .packs = packs,
          .chunk_rows = chunk_rows,
          .chunks = ceil_div(map.rows, chunk_rows),
          .across = across,
          .width = static_cast<int>(width)};
}

/// A block for each tile.
inline LaunchConfig per_tile(const ChannelTiles& tiles, Stream stream) {
  return {dim3(static_cast<unsigned>(tiles.blocks())), dim3(kTileThreads), 0, stream};
}

/// A block's tile, and a thread's place (x, y) in it.
struct TilePlace {
  int64_t image, chunk;  ///< The chunk counts over all images.
  int64_t first_pack;    ///< Of the tile, within a row.
  int64_t first_row;     ///< Of the tile, within the map.
  int rows;              ///< Of the tile.
  int x, y;
  bool active;  ///< Whether the thread has a pack.

  __device__ explicit TilePlace(const ChannelTiles& t)
      : image(blockIdx.x / t.across / t.chunks),
        chunk(blockIdx.x / t.across),
        first_pack(blockIdx.x % t.across * t.width),
        first_row(image * t.rows + chunk % t.chunks * t.chunk_rows),
        rows(static_cast<int>(t.rows_of(chunk))),
        x(static_cast<int>(threadIdx.x) % t.width),
        y(static_cast<int>(threadIdx.x) / t.width),
        active(y < t.height() && first_pack + x < t.packs) {}

  /// Calls f(i) for this thread's pack in each of its rows, i counting the packs of the map.
  template <class F>
  __device__ void for_packs(const ChannelTiles& t, F f) const {
    const int64_t first = first_row * t.packs + first_pack + x;
    for (int row = active ? y : rows; row < rows; row += t.height()) f(first + row * t.packs);
  }
};

/// Every thread's own coefficients, table(image, channel) for its N channels: formed once per
/// channel and block. Contains a barrier, so every thread of the block calls it.
template <class T, int N, class Table, class Coefficients>
__device__ void load_coefficients(const ChannelTiles& t, const TilePlace& place, const Table& table,
                                  Coefficients (&own)[N]) {
  // Padded so that the N channels of a pack lie in different banks.
  constexpr int kPadding = std::max(1, 128 / (N * static_cast<int>(sizeof(Coefficients))));
  constexpr int kStride = kTileWidth<T, N> + kPadding;
  SHARED(Coefficients, shared, [N][kStride]);
  for (int i = static_cast<int>(threadIdx.x); i < t.width * N; i += kTileThreads) {
    const int64_t channel = place.first_pack * N + i;
    if (channel < t.packs * N) shared[i % N][i / N] = table(place.image, channel);
  }
  __syncthreads();
  for (int k = 0; k < N; ++k) {
    if (place.active) own[k] = shared[k][place.x];
  }
}

/// Two quantities of `count` values: their mean and their squared deviations from it, or two sums.
struct Partial {
  double count, a, b;
};

/// Joins the means and squared deviations of n sets, get(i) (Chan, Golub and LeVeque, 1979): around
/// the first one's mean, which is near all of them.
struct JoinMoments {
  template <class Get>
  static __device__ Partial join(int64_t n, Get get) {
    const double center = n > 0 ? get(0).a : 0;
    double count = 0, sum = 0, squares = 0, deviation = 0;
    for (int64_t i = 0; i < n; ++i) {
      const Partial part = get(i);
      const double distance = part.a - center;
      count += part.count;
      sum += part.count * distance;
      squares += part.count * distance * distance;
      deviation += part.b;
    }
    if (count == 0) return {0, 0, 0};
    return {count, center + sum / count, deviation + (squares - sum * sum / count)};
  }
};

struct JoinSums {
  template <class Get>
  static __device__ Partial join(int64_t n, Get get) {
    Partial total = {0, 0, 0};
    for (int64_t i = 0; i < n; ++i) {
      const Partial part = get(i);
      total.count += part.count;
      total.a += part.a;
      total.b += part.b;
    }
    return total;
  }
};

/// The two quantities of a channel, where the count is known.
struct alignas(16) Sums {
  double a, b;
};

/// sums (chunks of all images, channels). `source` reads the channels of one thread's packs into
/// the two quantities of each.
template <int N, class Source>
__global__ void tile_sums_kernel(ChannelTiles t, Source source, Sums* sums) {
  using A = typename Source::Value;
  // Padded so that the N channels of a pack lie in different banks.
  constexpr int kStride = kTileThreads + 128 / (N * static_cast<int>(sizeof(A)));
  SHARED(A, first, [N][kStride]);
  SHARED(A, second, [N][kStride]);
  const TilePlace place(t);
  A a[N] = {}, b[N] = {};
  source.read(t, place, a, b);
  for (int k = 0; k < N; ++k) {
    first[k][threadIdx.x] = a[k];
    second[k][threadIdx.x] = b[k];
  }
  __syncthreads();
  const int height = t.height();
  for (int i = static_cast<int>(threadIdx.x); i < t.width * N; i += kTileThreads) {
    const int64_t channel = place.first_pack * N + i;
    if (channel >= t.packs * N) break;
    const Partial total = Source::Join::join(min(height, place.rows), [&](int64_t y) {
      const auto thread_row = static_cast<int>(y);
      const int thread = thread_row * t.width + i / N;
      const int count = (place.rows - thread_row + height - 1) / height;
      return Partial{static_cast<double>(count), static_cast<double>(first[i % N][thread]),
                     static_cast<double>(second[i % N][thread])};
    });
    const Sums own = {total.a, total.b};
    sums[place.chunk * t.packs * N + channel] = own;
  }
}

inline constexpr int kJoinTileWarps = 16;
inline constexpr int kJoinTileThreads = kJoinTileWarps * kWarp;

/// Joins the chunks of each image: finish(i, total), i counting the channels of all images. A warp
/// takes every 16th chunk of 32 channels.
template <class Join, class Finish>
__global__ void __launch_bounds__(kJoinTileThreads, 1)
    join_tiles_kernel(ChannelTiles t, int64_t channels, const Sums* sums, Finish finish) {
  SHARED(double, count, [kJoinTileWarps][kWarp]);
  SHARED(double, first, [kJoinTileWarps][kWarp]);
  SHARED(double, second, [kJoinTileWarps][kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t i = int64_t{blockIdx.x} * kWarp + lane;
  const bool exists = i < t.images * channels;
  const int64_t image = i / channels, channel = i % channels;
  const int64_t mine = exists ? (t.chunks - warp + kJoinTileWarps - 1) / kJoinTileWarps : 0;
  const Partial part = Join::join(mine, [&](int64_t k) {
    const int64_t chunk = image * t.chunks + warp + k * kJoinTileWarps;
    const Sums own = sums[chunk * channels + channel];
    return Partial{static_cast<double>(t.rows_of(chunk)), own.a, own.b};
  });
  count[warp][lane] = part.count;
  first[warp][lane] = part.a;
  second[warp][lane] = part.b;
  __syncthreads();
  if (warp == 0 && exists) {
    const Partial total = Join::join(min(int64_t{kJoinTileWarps}, t.chunks), [&](int64_t w) {
      return Partial{count[w][lane], first[w][lane], second[w][lane]};
    });
    finish(i, total);
  }
}

/// Two quantities per image and channel, read by `source` and handed to finish(i, total), with i
/// counting the channels of all images. The map's values are of type T and come in packs of N.
template <class T, int N, class Source, class Finish>
void reduce_channels(const ChannelMap& map, const Source& source, const Finish& finish,
                     Stream stream) {
  if (map.coefficients() == 0) return;
  const ChannelTiles t = channel_tiles<T, N>(map);
  const Scratch<Sums> sums(t.images * t.chunks * map.channels, stream);
  if (t.blocks() > 0) {
    launch(tile_sums_kernel<N, Source>, per_tile(t, stream), t, source, sums.get());
  }
  const int64_t blocks = (map.coefficients() + kWarp - 1) / kWarp;
  launch(join_tiles_kernel<typename Source::Join, Finish>,
         {dim3(static_cast<unsigned>(blocks)), dim3(kJoinTileThreads), 0, stream}, t, map.channels,
         sums.get(), finish);
}

}  // namespace kestrel::gpu
