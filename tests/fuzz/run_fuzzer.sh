#!/usr/bin/env bash
# Runs a fuzzer from its corpus: run_fuzzer.sh <program> <corpus folder> <work folder>
#   KESTREL_FUZZ_SECONDS   for how long, 60 by default
#   KESTREL_FUZZ_RUNS      so many executions instead
# Inputs that reach something new are kept in <work folder>/found; one that breaks the reader becomes
# <work folder>/crash-* (or timeout-*, oom-*): mend the reader, and put the input into the corpus.
set -euo pipefail
program=$1
corpus=$2
work=$3

mkdir -p "$work/found"
options=(-timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 -print_funcs=0 "-artifact_prefix=$work/")
if [[ -f $corpus.dict ]]; then options+=("-dict=$corpus.dict"); fi
if [[ -n ${KESTREL_FUZZ_RUNS:-} ]]; then
  options+=("-runs=$KESTREL_FUZZ_RUNS")
else
  options+=("-max_total_time=${KESTREL_FUZZ_SECONDS:-60}")
fi
# One thread: parallel loops would only be slower.
OMP_NUM_THREADS=1 exec "$program" "${options[@]}" "$work/found" "$corpus"
