#!/usr/bin/env bash
# Installs Kestrel, builds examples/plugin against it, runs its test, and trains, lists and looks at its
# components; then what a plug-in can be that is none.
# plugin.sh <source root> <build folder> <folder for temporary files>
set -euo pipefail
source_root=$1
build=$2
work=$3/plugin

fail() {
  echo "plugin: $*" >&2
  exit 1
}

rm -rf "$work"
mkdir -p "$work/run"
prefix=$work/prefix
cmake --install "$build" --prefix "$prefix" >"$work/install.log" || fail "cannot install"
cmake -S "$source_root/examples/plugin" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" >"$work/build.log"
cmake --build "$work/build" >>"$work/build.log" || { cat "$work/build.log"; fail "does not build"; }
ctest --test-dir "$work/build" >"$work/test.log" || { cat "$work/build/Testing/Temporary/LastTest.log"; fail "its test failed"; }

kestrel=$prefix/bin/kestrel
plugin=$work/build/libexample.so
config=$source_root/examples/plugin/plain_shapes.py
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive

# expect STATUS TEXT COMMAND...: it ends with that status and says so.
expect() {
  local status=0
  "${@:3}" >"$work/output.txt" 2>&1 || status=$?
  [[ $status == "$1" ]] || { cat "$work/output.txt"; fail "${*:3} ended with $status, not $1"; }
  grep -qE -- "$2" "$work/output.txt" || { cat "$work/output.txt"; fail "${*:3} does not say: $2"; }
}

# The config names the plug-in, which lies in the working folder.
cp "$plugin" "$work/run"
cd "$work/run"
expect 0 'loss_bbox' "$kestrel" train "$config" --out first --max-iters 8
expect 0 'libexample.so' cat first/config.yaml
expect 0 'PlainNet|backbone +[1-9]' "$kestrel" info "$config"
expect 1 '\[weight_limit\] .* has a weight of' \
  "$kestrel" train "$config" --out second --max-iters 8 --set custom_hooks.0.limit=0.000001
expect 2 "--set model.backbone.base_channel=4: model.backbone: unknown key 'base_channel'; did you mean 'base_channels'" \
  "$kestrel" train "$config" --out third --set model.backbone.base_channel=4

# --plugin, from anywhere; a model that was trained with it wants it again.
cd "$work"
expect 0 'squared differences' "$kestrel" components --plugin "$plugin"
expect 0 'base_channels +int +16 +channels' "$kestrel" components backbone PlainNet --plugin "$plugin"
expect 4 "nothing is registered as '(PlainNet|SquaredLoss)'" "$kestrel" test --weights run/first/weights/last.safetensors
expect 0 'AP' "$kestrel" test --weights run/first/weights/last.safetensors --data shapes --plugin "$plugin" --workers 1

# What is not there, is no plug-in, is one of another version, or cannot be loaded.
expect 2 'there is no file .libexample.so. in the working folder or beside the config' \
  "$kestrel" train "$config" --out fourth
expect 2 'no/such.so: there is no such file' "$kestrel" components --plugin no/such.so
expect 2 'is not a plug-in of Kestrel' "$kestrel" components --plugin "$kestrel"
sed 's/Kestrel plug-in for version [0-9]/Kestrel plug-in for version 9/' "$plugin" >other.so
expect 2 'was compiled with Kestrel 9[0-9.]*, and this is' "$kestrel" components --plugin other.so
head -c 20000 "$plugin" >cut.so
printf 'Kestrel plug-in for version %s\0' "$(sed -n 's/.*kVersion = "\(.*\)".*/\1/p' "$source_root/kernels/version.h")" >>cut.so
expect 2 'cut.so: cannot be loaded: it is cut short' "$kestrel" components --plugin cut.so
