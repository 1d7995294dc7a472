#!/bin/bash
# What somebody would write instead, without any of the guarantees: loop.sh REPOSITORY TREES AGENT ISSUES
set -euo pipefail
cd "$1"
for number in $(seq "$4"); do
  export MAWEP_ISSUE=$number
  tree=$2/$number
  git worktree add --quiet -b "feature/$number" "$tree" main
  (cd "$tree" && "$3")
  git -C "$tree" add --all
  git -C "$tree" commit --quiet --message "feat: issue $number"
  git merge --quiet --no-ff --message "Merge #$number" "feature/$number"
  git worktree remove "$tree"
done
