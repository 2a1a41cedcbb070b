#include <kestrel/kernels/candidate_select.h>

#include <algorithm>
#include <limits>
#include <vector>

#include <kestrel/kernels/common/candidate.h>
#include <kestrel/kernels/common/candidate_select_checks.h>
#include <kestrel/kernels/common/score_order.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 1 << 16;
constexpr int64_t kStep = 32;

/// Leaves the `count` smallest keys, in no order.
void keep_smallest(std::vector<uint64_t>& keys, int64_t count) {
  if (static_cast<int64_t>(keys.size()) <= count) return;
  std::nth_element(keys.begin(), keys.begin() + count, keys.end());
  keys.resize(static_cast<size_t>(count));
}

/// Appends the keys of the logits of [begin, end) that are above the threshold. Nearly all steps
/// hold none, so a step is tested as a whole first.
template <class T>
void collect(const T* logits, int64_t begin, int64_t end, float threshold,
             std::vector<uint64_t>& keys) {
  for (int64_t i = begin; i < end; i += kStep) {
    const int64_t stop = std::min(end, i + kStep);
    int any = 0;
    if (stop == i + kStep) {
      for (int64_t k = 0; k < kStep; ++k) {
        any |= static_cast<int>(static_cast<float>(logits[i + k]) > threshold);
      }
      if (any == 0) continue;
    }
    for (int64_t k = i; k < stop; ++k) {
      const auto value = static_cast<float>(logits[k]);
      if (value > threshold) keys.push_back(descending_key(value, k));
    }
  }
}

}  // namespace

void select_above(ConstView logits, float threshold, View indices, View values, View count) {
  check_select_above(logits, indices, values, count);
  const int64_t most = indices.numel();
  const int64_t n = logits.numel();
  std::vector<std::vector<uint64_t>> found(static_cast<size_t>((n + kGrain - 1) / kGrain));
  int64_t& place = *count.as<int64_t>() = 0;
  visit_logits(logits, [&]<class T>(const T* x) {
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
      std::vector<uint64_t>& keys = found[static_cast<size_t>(begin / kGrain)];
      collect(x, begin, end, threshold, keys);
      keep_smallest(keys, most);
    });
    std::vector<uint64_t> keys;
    for (const auto& part : found) keys.insert(keys.end(), part.begin(), part.end());
    keep_smallest(keys, most);
    std::sort(keys.begin(), keys.end());
    for (const uint64_t key : keys) {
      const int64_t index = index_of_key(key);
      indices.as<int64_t>()[place] = index;
      values.as<float>()[place++] = static_cast<float>(x[index]);
    }
  });
}

void select_rows(ConstView logits, View rows) {
  check_select_rows(logits, rows);
  const int64_t n = logits.size(0);
  const int64_t classes = logits.size(1);
  std::vector<uint64_t> keys(static_cast<size_t>(n));
  visit_logits(logits, [&]<class T>(const T* x) {
    parallel_for(n, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        float best = -std::numeric_limits<float>::infinity();
        for (int64_t c = 0; c < classes; ++c) {
          const auto value = static_cast<float>(x[row * classes + c]);
          best = value > best ? value : best;
        }
        keys[static_cast<size_t>(row)] = descending_key(best, row);
      }
    });
  });
  keep_smallest(keys, rows.numel());
  std::sort(keys.begin(), keys.end());
  for (size_t i = 0; i < keys.size(); ++i) rows.as<int64_t>()[i] = index_of_key(keys[i]);
}

void split_positions(ConstView positions, int64_t columns, View rows, View remainders) {
  check_split_positions(positions, columns, rows, remainders);
  for (int64_t i = 0; i < positions.numel(); ++i) {
    rows.as<int64_t>()[i] = positions.as<int64_t>()[i] / columns;
    remainders.as<int64_t>()[i] = positions.as<int64_t>()[i] % columns;
  }
}

void score_candidates(ConstView boxes, ConstView logits, const CandidateParams& params, View out,
                      View scores) {
  check_score_candidates(boxes, logits, params, out, scores);
  for (int64_t i = 0; i < logits.numel(); ++i) {
    const ScoredBox scored = score_candidate(geometry::load_box(boxes.as<float>() + 4 * i),
                                             logits.as<float>()[i], params);
    geometry::store_box(scored.box, out.as<float>() + 4 * i);
    scores.as<float>()[i] = scored.score;
  }
}

}  // namespace kestrel::cpu
