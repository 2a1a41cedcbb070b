#!/usr/bin/env bash
# Compares Kestrel with MMDetection itself and keeps the table bench/parity.md:
#
#   bench/parity_mmdetection.sh [--python PYTHON] [--dump DUMP_MODEL.py] [--kestrel PROGRAM]
#                               [--device D] [--table FILE] [CONFIG or FAMILY...]
#
# CONFIG is the name of a config that ships with MMDetection, such as retinanet_r18_fpn_1x_coco;
# FAMILY is a folder of its configs, such as retinanet (the default). For each config, one after the
# other: the script DUMP_MODEL.py ($KESTREL_MMDET_DUMP) writes what MMDetection computes, run by a
# Python that has MMDetection 2.28 ($KESTREL_MMDET_PYTHON), dump_float64.py writes the same in
# float64 where MMDetection can, parity_mmdetection compares, the dumps are deleted, and the config's
# row is set. Exits with 1 if one is beyond the tolerances, which bench/parity_mmdetection.cpp
# explains. KESTREL_MMDET_DUMP_OPTIONS are more options of the script.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${KESTREL_MMDET_PYTHON:-python3}
dump=${KESTREL_MMDET_DUMP:-}
program=build/release/bin/parity_mmdetection
device=cpu
table=bench/parity.md
wanted=()
while (($#)); do
  case $1 in
    --python) python=$2; shift 2 ;;
    --dump) dump=$2; shift 2 ;;
    --kestrel) program=$2; shift 2 ;;
    --device) device=$2; shift 2 ;;
    --table) table=$2; shift 2 ;;
    -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "$0: unknown option $1" >&2; exit 2 ;;
    *) wanted+=("$1"); shift ;;
  esac
done
if [[ -z $dump ]]; then
  echo "$0: name dump_model.py by --dump or KESTREL_MMDET_DUMP" >&2
  exit 2
fi
[[ -x $program ]] || { echo "$0: build parity_mmdetection first, or give --kestrel" >&2; exit 2; }
((${#wanted[@]})) || wanted=(retinanet)

configs=$("$python" -c '
import importlib.util, pathlib
print(pathlib.Path(importlib.util.find_spec("mmdet").submodule_search_locations[0]) / ".mim" / "configs")')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The config files that a name stands for, one a line.
files_of() {
  if [[ -d $configs/$1 ]]; then
    find "$configs/$1" -name '*.py' | sort
  else
    find "$configs" -name "${1%.py}.py"
  fi
}

failed=0
for name in "${wanted[@]}"; do
  mapfile -t files < <(files_of "$name")
  ((${#files[@]})) || { echo "$0: MMDetection has no config or family $name" >&2; exit 2; }
  for file in "${files[@]}"; do
    config=$(basename "$file" .py)
    echo "$config" >&2
    # shellcheck disable=SC2086
    if ! "$python" "$dump" "$file" --out "$work/dump" ${KESTREL_MMDET_DUMP_OPTIONS:-} \
        > "$work/log" 2>&1; then
      tail -3 "$work/log" >&2
      echo "  MMDetection could not run it" >&2
      failed=1
      continue
    fi
    exact=()
    # shellcheck disable=SC2086
    if "$python" bench/dump_float64.py "$dump" "$file" --out "$work/exact" \
        ${KESTREL_MMDET_DUMP_OPTIONS:-} > "$work/log" 2>&1; then
      exact=(--exact "$work/exact")
    else
      echo "  MMDetection cannot run it in float64: $(tail -1 "$work/log")" >&2
    fi
    "$program" "$file" "$work/dump" "${exact[@]}" --device "$device" --json > "$work/result" 2> "$work/log" ||
      failed=1
    rm -f "$work/dump" "$work/exact"
    if [[ ! -s $work/result ]]; then
      cat "$work/log" >&2
      continue
    fi
    python3 tools/parity_row "$table" "$(basename "$(dirname "$file")")" "$device" "$work/result"
  done
done
exit $failed
