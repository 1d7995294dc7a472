#!/bin/bash
# The agent of both sides: says when it began, and rewrites the one file of its issue.
printf '%s %s\n' "$MAWEP_ISSUE" "$EPOCHREALTIME" >>"$BENCH_BEGAN"
file=$((MAWEP_ISSUE % BENCH_FILES))
printf 'the work on %s\n' "$MAWEP_ISSUE" >"part$((file / 10))/module$((file % 10)).py"
