#pragma once

#include <type_traits>

#include <kestrel/kernels/cuda/arch/cp_async.h>
#include <kestrel/kernels/cuda/gemm_operand.h>

/// Tiles of operands on their way to shared memory.
namespace kestrel::gpu {

/// Where a 16-byte chunk lies in a tile of kChunks of them a row. Mixed so that each of these falls
/// on eight different groups of four banks: eight chunks of a row, the same chunk of eight rows,
/// and two neighbouring chunks of four rows.
template <int kChunks>
__device__ constexpr int swizzled(int row, int chunk) {
  if constexpr (kChunks >= 8) {
    return row * kChunks + (chunk ^ ((row * 2 & 6) | (row >> 2 & 1)));
  } else {
    return row * kChunks + (chunk ^ (row * kChunks / 8 & (kChunks - 1)));
  }
}

/// The chunks of one thread in successive tiles of an operand whose rows are the extent: the rows
/// stay, the columns move on.
template <class Source, int kCount, int kRowStep>
class DepthInnerCursor {
 public:
  __device__ DepthInnerCursor(const Source& source, int extent, int depth)
      : column_(source.columns.split(depth)) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      rows_[i] = source.row(source.rows.split(extent + i * kRowStep));
    }
  }
  /// Calls f(i, row, position of the column) for this tile, and goes to the next.
  template <class F>
  __device__ void next(const Source& source, F f) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) f(i, rows_[i], column_);
    source.columns.advance(column_);
  }

 private:
  typename Source::Row rows_[kCount];
  typename decltype(Source::columns)::Position column_;
};

/// The same where the rows are the depth.
template <class Source, int kCount, int kRowStep>
class ExtentInnerCursor {
 public:
  __device__ ExtentInnerCursor(const Source& source, int extent, int depth)
      : row_(source.rows.split(depth)), column_(source.columns.split(extent)) {}
  template <class F>
  __device__ void next(const Source& source, F f) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      f(i, source.row(row_), column_);
      source.rows.advance(row_);
    }
  }

 private:
  typename decltype(Source::rows)::Position row_;
  typename decltype(Source::columns)::Position column_;
};

/// Reads tiles of an operand, kExtent x kDepth, one after the other along the depth, by all
/// kThreads threads of a block. A tile has rows as the operand has, of 16-byte chunks.
template <class Source, int kExtent, int kDepth, int kThreads, bool kAligned>
class TileLoader {
  using T = typename Source::Element;
  static constexpr int kRows = Source::kDepthInner ? kExtent : kDepth;
  static constexpr int kColumns = Source::kDepthInner ? kDepth : kExtent;
  static constexpr int kChunks = kColumns / Pack<T>::kSize;
  static constexpr int kRowStep = kThreads / kChunks;

 public:
  static constexpr bool kDepthInner = Source::kDepthInner;
  static constexpr int kCount = kRows / kRowStep;  ///< Chunks of one thread.
  static_assert(kThreads % kChunks == 0 && kRows % kRowStep == 0);

  /// Prepares an operand, on the host, for being read so.
  static void set_stride(Source& source) {
    if constexpr (kDepthInner) {
      source.columns.set_stride(kDepth);
    } else {
      source.rows.set_stride(kRowStep);
    }
  }

  /// Begins with the tile whose corner is (extent, depth).
  __device__ TileLoader(const Source& source, int extent, int depth)
      : source_(source),
        row_(static_cast<int>(threadIdx.x) / kChunks),
        chunk_(static_cast<int>(threadIdx.x) % kChunks),
        cursor_(source, extent + (kDepthInner ? row_ : column()),
                depth + (kDepthInner ? column() : row_)) {}

  /// The place in a tile of this thread's chunk i.
  __device__ int row(int i) const { return row_ + i * kRowStep; }
  __device__ int column() const { return chunk_ * Pack<T>::kSize; }

  /// Starts the copy of the next tile to shared memory, swizzled. It is there after the copies of
  /// this thread, see cp_async.h, and a barrier.
  __device__ void copy_next(Pack<T>* tile) {
    cursor_.next(source_, [&](int i, const auto& source_row, const auto& position) {
      Pack<T>* to = tile + swizzled<kChunks>(row(i), chunk_);
      if constexpr (kAligned) {
        const T* from = source_.at(source_row, source_.column(position));
        cp_async_16(to, from, from != nullptr);
      } else {
        *to = gather(source_row, position);
      }
    });
  }

  /// Reads this thread's chunks of the next tile.
  __device__ void read_next(Pack<T> (&chunks)[kCount]) {
    cursor_.next(source_, [&](int i, const auto& source_row, const auto& position) {
      if constexpr (kAligned) {
        const T* from = source_.at(source_row, source_.column(position));
        chunks[i] = from ? *reinterpret_cast<const Pack<T>*>(from) : Pack<T>{};
      } else {
        chunks[i] = gather(source_row, position);
      }
    });
  }

 private:
  template <class Row, class Position>
  __device__ Pack<T> gather(const Row& source_row, Position position) const {
    Pack<T> values;
#pragma unroll
    for (int e = 0; e < Pack<T>::kSize; ++e) {
      const T* from = source_.at(source_row, source_.column(position));
      values[e] = from ? *from : T{};
      source_.columns.increment(position);
    }
    return values;
  }

  const Source& source_;
  int row_, chunk_;
  std::conditional_t<kDepthInner, DepthInnerCursor<Source, kCount, kRowStep>,
                     ExtentInnerCursor<Source, kCount, kRowStep>>
      cursor_;
};

}  // namespace kestrel::gpu
