#!/usr/bin/env bash
# What every kernel moves on the shapes of real models, as a table: sectors over the least that the bytes need, bank
# conflicts; and why some move more. Runs bench/kernels/kernel_cases.txt on the simulator.
#   bench/profile_kernels.sh [regular expression] > bench/kernel_profile.md
# Exit code 1 where a kernel is above the limit and bench/kernel_profile_reasons.txt does not say why.
set -euo pipefail
root=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/..
bench=$root/build/sim/bin/kernel_bench
reasons=$root/bench/kernel_profile_reasons.txt
[[ -x $bench ]] || { echo "profile_kernels: first cmake --preset sim && ninja -C build/sim kernel_bench" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Matrix products are bound by arithmetic: roofline.md has them.
products='^(conv2d|conv2d_backward_data|conv2d_backward_weights|linear) '
# Whose kernels take what others computed: all blocks are run. Of the rest eight a launch.
whole='^(anchor|nms|top_|sum |scatter|gather|score|clip_grad_norm|lamb|deform_conv2d_backward)'

echo "# What the CUDA kernels move"
echo
echo "From \`bench/profile_kernels.sh\` on the simulator: eight blocks of each launch, or all where kernels take what others computed."
echo "load and store: sectors of 32 bytes over the least that the bytes touched need, where a sector that several blocks want counts"
echo "once. Products of matrices are in roofline.md."
number=0
while IFS= read -r case; do
  [[ -z $case || $case == "#"* || ! $case =~ ${1:-.} ]] && continue
  [[ $case =~ $products && $case != *groups=* ]] && continue
  # Whole, it would take minutes; what each pixel moves is the same on a smaller map.
  [[ $case == deform_conv2d_backward* ]] && case=${case/h=50 w=84/h=13 w=21}
  profile=$work/$((++number)).profile
  blocks=8
  [[ $case =~ $whole ]] && blocks=
  env ${blocks:+CUDA_SIM_SAMPLE_BLOCKS=$blocks} CUDA_SIM_PROFILE="$profile" OMP_NUM_THREADS=1 \
    "$bench" --device cuda --once --case "$case" >/dev/null
  echo
  echo "    $case"
  "$root/tools/sim_report" "$profile" | sed 's/^/    /'
done <"$root/bench/kernels/kernel_cases.txt"

echo
echo "Above 1.25, of all cases, and why:"
echo
# Of each kernel, whatever it is instantiated for, the largest ratios of a case.
for profile in "$work"/*.profile; do
  awk -F '\t' '
    { name = $1; sub(/<.*/, "", name); loads[name] += $9; least[name] += $10; stores[name] += $12; lowest[name] += $13 }
    END { for (n in loads) printf "%s\t%.2f\t%.2f\n", n, least[n] ? loads[n] / least[n] : 0, lowest[n] ? stores[n] / lowest[n] : 0 }
  ' "$profile"
done | awk -F '\t' -v reasons="$reasons" '
  BEGIN { while ((getline line < reasons) > 0) if (line !~ /^#/ && (at = index(line, ": "))) why[substr(line, 1, at - 1)] = substr(line, at + 2) }
  $2 > load[$1] { load[$1] = $2 }
  $3 > store[$1] { store[$1] = $3 }
  END {
    for (n in load) {
      if (load[n] <= 1.25 && store[n] <= 1.25) continue
      if (!(n in why)) { print "profile_kernels: no reason is given for " n > "/dev/stderr"; failed = 1 }
      printf "- `%s` (load %.2f, store %.2f): %s\n", n, load[n], store[n], n in why ? why[n] : "?"
    }
    exit failed
  }' | sort
