#!/usr/bin/env bash
# tools/check_includes accepts arrows that point down and names each that does not.
# check_includes.sh <source root> <folder for temporary files>
set -euo pipefail
check=$1/tools/check_includes
work=$2
failures=0

# expect TEXT FILE INCLUDE: in a tree where only FILE includes INCLUDE, the check says TEXT ("" for nothing).
expect() {
  rm -rf "$work"
  mkdir -p "$work/$(dirname "$2")"
  printf '#pragma once\n#include %s\n' "$3" >"$work/$2"
  local output status=0
  output=$("$check" "$work" 2>&1) || status=$?
  if [[ -z $1 && $status -ne 0 ]]; then
    echo "$2 may include $3, but: $output"
    failures=$((failures + 1))
  elif [[ -n $1 && ($status -eq 0 || $output != *"$2:2: "*"$1"*) ]]; then
    echo "$2 must not include $3, but: $output"
    failures=$((failures + 1))
  fi
}

expect "" tensor/tensor.h '<kestrel/kernels/view.h>'
expect "" detection/heads/retina_head.cpp '<kestrel/registry/registry.h>'
expect "" kernels/cpu/conv2d.cpp '<kestrel/kernels/conv2d.h>'
expect "" kernels/cpu/conv2d.cpp '<kestrel/kernels/cpu/scratch.h>'
expect "" apps/kestrel.cpp '<kestrel/kestrel.h>'
expect "" apps/kestrel.cpp '"commands/train.h"'
expect "" engine/runner.cpp '<iostream>'
expect "" kernels/sim/machine.cpp '"fiber.h"'
expect "stands alone" kernels/sim/machine.cpp '<kestrel/kernels/view.h>'
expect "kernels/ must not include tensor/" kernels/view.h '<kestrel/tensor/tensor.h>'
expect "registry/ must not include detection/" registry/config.cpp '<kestrel/detection/structures.h>'
expect "inference/ must not include engine/" inference/detector.cpp '<kestrel/engine/runner.h>'
expect "tensor/ must not include kernels/cpu/" tensor/tensor.cpp '<kestrel/kernels/cpu/scratch.h>'
expect "kernels/cuda/ must not include kernels/cpu/" kernels/cuda/nms.cu '<kestrel/kernels/cpu/nms.h>'
expect "kernels/ must not include kernels/cpu/" kernels/nms.h '<kestrel/kernels/cpu/nms.h>'
expect "is not a layer" data/coco.cpp '<kestrel/dtaa/coco.h>'
expect "is for applications" data/coco.cpp '<kestrel/kestrel.h>'
expect "write <kestrel/folder/file.h>" data/coco.cpp '"coco.h"'
expect "never prints" data/coco.cpp '<iostream>'
expect "threads are those of" kernels/cpu/conv2d.cpp '<omp.h>'
expect "" kernels/cpu/onednn_plan.h '<omp.h>'
expect "built without it" layers/conv.cpp '<torch/torch.h>'

rm -rf "$work"
exit $((failures > 0))
