#!/usr/bin/env bash
# Runs a program of Kestrel's so that training takes seconds: small.sh PROGRAM NAME ARGUMENT...
# A run that is resumed has its own config, and so is small already.
set -euo pipefail
program=$1
name=$2
shift 2
more=()
case "$name ${1-}" in
  train_retinanet* | "kestrel train")
    if [[ " $* " != *" --resume "* && " $* " != *" --help "* ]]; then
      more=(--set runner.max_epochs=1)
      for part in train.pipeline.2 val.pipeline.1 test.pipeline.1; do
        more+=("data.$part.img_scale=[64, 64]")
      done
      if [[ $name == kestrel || " $* " == *" --data shapes "* ]]; then
        more+=(data.train.num_images=24 data.val.num_images=4)
      fi
    fi
    ;;
  "kestrel benchmark") more=(--runs 2) ;;
esac
exec "$program" "$@" "${more[@]}"
