#!/usr/bin/env bash
# Whether a long training keeps its memory: resident memory, sampled every half second, of 200 epochs on a small set.
#   bench/resident_memory.sh DATA [EPOCHS] [OUT]
# Prints the median of each tenth of the run. Exits 1 if the last tenth is over 3 % above the third: the first two warm up
# (the arena, the cache of pictures, the first evaluation).
set -euo pipefail
data=$(readlink -f -- "${1:?usage: bench/resident_memory.sh DATA [EPOCHS] [OUT]}")
epochs=${2:-200}
out=$(readlink -m -- "${3:-runs/resident_memory}")
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)
mkdir -p "$(dirname -- "$out")"

"$root/build/release/bin/train_retinanet" --data "$data" --image-size 96 --epochs "$epochs" --out "$out" >"$out.txt" 2>&1 &
training=$!
while rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$training/status" 2>/dev/null) && [[ -n $rss ]]; do
  echo "$rss"
  sleep 0.5
done >"$out.rss"
wait "$training"

total=$(wc -l <"$out.rss")
for tenth in {0..9}; do
  sed -n "$((total * tenth / 10 + 1)),$((total * (tenth + 1) / 10))p" "$out.rss" | sort -n |
    awk '{ kib[NR] = $1 } END { print kib[int((NR + 1) / 2)] }'
done | awk -v epochs="$epochs" '
  { mib[NR] = $1 / 1024; printf "to epoch %3d: %.1f MiB\n", epochs * NR / 10, mib[NR] }
  END { printf "last tenth / third tenth: %.3f\n", mib[10] / mib[3]; exit mib[10] > 1.03 * mib[3] }'
