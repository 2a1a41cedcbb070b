#!/usr/bin/env bash
# What every kernel moves on the shapes of real models, as a table: sectors over the least that the bytes need, bank
# conflicts. Runs a few blocks of each launch of bench/kernels/kernel_cases.txt on the simulator.
#   bench/profile_kernels.sh [regular expression] > bench/kernel_profile.md
# A case whose kernels take what others computed (sorting, selection) cannot be sampled and is named at the end.
set -euo pipefail
root=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/..
bench=$root/build/sim/bin/kernel_bench
[[ -x $bench ]] || { echo "profile_kernels: first cmake --preset sim && ninja -C build/sim kernel_bench" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CUDA_SIM_SAMPLE_BLOCKS=8 CUDA_SIM_PROFILE=$work/profile OMP_NUM_THREADS=1

echo "# What the CUDA kernels move"
echo
echo "From \`bench/profile_kernels.sh\`: 8 blocks of each launch, on the simulator. load and store: sectors of 32 bytes over the"
echo "least that the bytes touched need, where a sector that several blocks want counts once."
left_out=()
while IFS= read -r case; do
  [[ -z $case || $case == "#"* || ! $case =~ ${1:-.} ]] && continue
  rm -f "$work/profile"
  if timeout 120 "$bench" --device cuda --once --case "$case" >/dev/null 2>&1 || [[ -s $work/profile ]]; then
    echo
    echo "    $case"
    "$root/tools/sim_report" "$work/profile" | sed 's/^/    /'
  else
    left_out+=("$case")
  fi
done <"$root/bench/kernels/kernel_cases.txt"
if ((${#left_out[@]})); then
  echo
  echo "Not sampled:"
  echo
  printf -- '- `%s`\n' "${left_out[@]}"
fi
