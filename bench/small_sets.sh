#!/usr/bin/env bash
# How ./train_retinanet does on small sets of photographs with no option but --data:
#   bench/small_sets.sh BCCD [OUT]
# BCCD is the blood cells data set (https://github.com/Shenggan/BCCD_Dataset, VOC form). Trains on all of it, then on its first
# 60 pictures with one class, white blood cells, without lists. Prints AP50, wall time and processor time of each.
set -euo pipefail
bccd=$(readlink -f -- "${1:?usage: bench/small_sets.sh BCCD [OUT]}")
out=$(readlink -m -- "${2:-runs/small_sets}")
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)
mkdir -p "$out/few/annotations" "$out/few/images"

# Objects of other classes are taken out; without lists, a hash of the names says what is for validation.
find "$bccd/Annotations" -name '*.xml' | sort | head -n 60 | while read -r file; do
  name=$(basename "$file" .xml)
  awk 'BEGIN { RS = "</object>"; ORS = "" } /<object>/ { if ($0 ~ /<name>WBC<\/name>/) print $0 "</object>"; else { sub(/<object>.*/, ""); print }; next } { print }' \
    "$file" >"$out/few/annotations/$name.xml"
  cp "$bccd/JPEGImages/$name.jpg" "$out/few/images/"
done

for set in "$bccd" "$out/few"; do
  name=$(basename "$set")
  ( TIMEFORMAT="$name: %R s, of the processors %U + %S s"
    time "$root/train_retinanet" --data "$set" --out "$out/$name" >"$out/$name.txt" 2>&1 )
  grep -o 'Epoch.*ap50: [0-9.]*' "$out/$name.txt" | tail -n 1
done
