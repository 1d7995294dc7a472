#!/bin/bash
# The agent of both sides: says when it began, and writes the one file of its issue.
printf '%s %s\n' "$MAWEP_ISSUE" "$EPOCHREALTIME" >>"$BENCH_BEGAN"
printf 'the work on %s\n' "$MAWEP_ISSUE" >"work-$MAWEP_ISSUE.txt"
