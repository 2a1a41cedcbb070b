#!/usr/bin/env bash
# For a person with an NVIDIA GPU: builds the CUDA kernels for it, runs every test that runs on a device, and runs the
# kernels' tests again under compute-sanitizer. Leaves the logs in the folder named, or in build/gpu_check.
#   bench/gpu_check.sh [--simulate] [folder]
# --simulate does the same on the simulator, where there is no GPU: that this script works.
set -euo pipefail
root=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/..
preset=cuda
if [[ ${1:-} == --simulate ]]; then
  preset=sim
  shift
fi
out=${1:-$root/build/gpu_check}
mkdir -p "$out"
cd "$root"

if [[ $preset == cuda ]]; then
  command -v nvidia-smi >/dev/null || { echo "gpu_check: there is no NVIDIA driver; --simulate works without" >&2; exit 2; }
  nvidia-smi | tee "$out/device.txt"
fi
cmake --preset "$preset" -DKESTREL_BUILD_BENCH=OFF >"$out/configure.txt"
ninja -C "build/$preset" test_kernels test_tensor test_engine | tail -n 3

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
for layer in kernels tensor engine; do
  run "suite_$layer" "build/$preset/bin/test_$layer" --gtest_filter="$filter" --gtest_brief=1
done
if [[ $preset == cuda ]] && command -v compute-sanitizer >/dev/null; then
  for tool in memcheck initcheck racecheck synccheck; do
    KESTREL_CUDA_CACHE=0 run "sanitizer_$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 \
      "build/cuda/bin/test_kernels" --gtest_filter='OpCase.*_forward:OpCase.*_gradients:*Cuda*' --gtest_brief=1
  done
fi
exit "$status"
