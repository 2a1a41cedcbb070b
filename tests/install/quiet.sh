#!/usr/bin/env bash
# The library throws; it never prints, exits or aborts: its objects use no function that does.
# quiet.sh <libkestrel.so>
set -euo pipefail

symbols=$(nm --dynamic --demangle --undefined-only "$1" | sed 's/^ *[UvwV] //; s/@.*//' | sort -u)
[[ -n $symbols ]] || { echo "quiet: cannot read $1" >&2; exit 1; }
if grep -E '^(std::(w?cout|w?cerr|w?clog)|stdout|stderr|(__)?v?printf(_chk)?|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort|__assert_fail|hwy::Abort)([^[:alnum:]_].*)?$' <<<"$symbols"; then
  echo "quiet: $1 prints or ends the process through the symbols above" >&2
  exit 1
fi
