#!/usr/bin/env bash
# For a person with an NVIDIA GPU: builds the CUDA kernels for it, runs every test that runs on a device, runs the
# kernels' tests again under compute-sanitizer, and times the kernels, beside cuDNN's and torchvision's where this
# machine's python3 has PyTorch. Leaves the logs in the folder named, or in build/gpu_check.
#   bench/gpu_check.sh [--simulate] [folder]
# --simulate does the same on the simulator, where there is no GPU: that this script works. Its times mean nothing.
# KESTREL_GPU_CHECK_FILTER is a gtest filter, to run less.
set -euo pipefail
root=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/..
preset=cuda
if [[ ${1:-} == --simulate ]]; then
  preset=sim
  shift
fi
out=${1:-$root/build/gpu_check}
mkdir -p "$out"
out=$(readlink -f -- "$out")
cd "$root"

if [[ $preset == cuda ]]; then
  command -v nvidia-smi >/dev/null || { echo "gpu_check: there is no NVIDIA driver; --simulate works without" >&2; exit 2; }
  nvidia-smi | tee "$out/device.txt"
fi
layers=(kernels tensor detection inference engine)
cmake --preset "$preset" >"$out/configure.txt"
ninja -C "build/$preset" "${layers[@]/#/test_}" kernel_bench | tail -n 3
bin=build/$preset/bin

status=0
# run NAME COMMAND...: one part, with its log.
run() {
  local name=$1
  shift
  echo "== $name"
  if "$@" >"$out/$name.txt" 2>&1; then
    tail -n 1 "$out/$name.txt"
  else
    status=1
    tail -n 20 "$out/$name.txt"
    echo "$name FAILED: see $out/$name.txt"
  fi
}

filter=${KESTREL_GPU_CHECK_FILTER:-OpCase.*:*Cuda*}
for layer in "${layers[@]}"; do
  run "suite_$layer" "$bin/test_$layer" --gtest_filter="$filter" --gtest_brief=1
done
if [[ $preset == sim ]]; then
  run kernels "$bin/kernel_bench" --device cuda --seconds 0 --peak-scale 1e-6 --json "$out/kernels.json" \
    --case "relu n=1 h=4 w=4 c=32" --case "conv2d n=1 h=4 w=4 c=8 o=8 k=3" --case "nms n=100"
  exit "$status"
fi
run kernels "$bin/kernel_bench" --device cuda --json "$out/kernels.json"
if python3 -c 'import torch, torchvision; assert torch.cuda.is_available()' 2>/dev/null; then
  run kernels_beside_pytorch python3 bench/compare_kernels.py "$bin/kernel_bench" --device cuda \
    --json "$out/kernels_beside_pytorch.json"
else
  echo "python3 has no PyTorch with CUDA: not compared with cuDNN and torchvision"
fi
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck initcheck racecheck synccheck; do
    KESTREL_CUDA_CACHE=0 run "sanitizer_$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 \
      "$bin/test_kernels" --gtest_filter='OpCase.*_forward:OpCase.*_gradients:*Cuda*' --gtest_brief=1
  done
else
  echo "there is no compute-sanitizer: not run"
fi
exit "$status"
