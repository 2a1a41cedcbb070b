#!/usr/bin/env bash
# Fails when docs/components.md is not what `kestrel components --markdown` writes, or a component or an
# option has no line of help: check_components.sh KESTREL REPOSITORY
set -euo pipefail
page=$("$1" components --markdown)
if grep -n 'undocumented\|^## Others$' <<<"$page"; then
  echo "check_components: these have no line of help, or a base class has no kKind: registry/registry.h" >&2
  exit 1
fi
diff -u "$2/docs/components.md" - <<<"$page" >&2 || {
  echo "check_components: write the page anew: kestrel components --markdown > docs/components.md" >&2
  exit 1
}
