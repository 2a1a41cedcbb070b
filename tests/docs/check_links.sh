#!/usr/bin/env bash
# Fails when a page links to a file of the repository that is not there: check_links.sh REPOSITORY
set -euo pipefail
cd -- "$1"
status=0
checked=0
while IFS= read -r page; do
  while IFS= read -r target; do
    target=${target%%#*}
    case $target in '' | http:* | https:*) continue ;; esac
    checked=$((checked + 1))
    if [[ ! -e $(dirname "$page")/$target ]]; then
      echo "$page: there is no $target" >&2
      status=1
    fi
  done < <(grep -oE '\]\([^)]+\)' "$page" | sed 's/^](//; s/)$//')
done < <(git ls-files '*.md')
echo "check_links: $checked links to files"
exit "$status"
