#!/usr/bin/env bash
# The emptier: what users threw away becomes a checkpoint with the time as its name, and is deleted when it is old; by edits,
# so it stays deleted over a restart. The same with fs.trash.interval=0: nothing happens.
. "$(dirname "$0")/lib.sh"
start_cluster 0 fs.trash.interval=6s fs.trash.checkpoint.interval=2s
sh_() { "$dfs" -fs "$url" "$@"; }
sh_ -mkdir -p /user/amy/.Trash/Current/x /user/bob/.Trash/Current /user/carl /user/amy/.Trash/notes /user/amy/.Trash/200101000000 || fail "mkdir"
sh_ -touchz /user/bob/.Trash/Current/f /user/dora || fail "touchz"
names() { sh_ -ls "/user/$1/.Trash" 2>/dev/null | awk '/^d/ {n=split($NF, p, "/"); print p[n]}'; }
checkpointed() { names "$1" | grep -Eq '^[0-9]{12}$' && ! names "$1" | grep -qx Current; }
wait_until 10 checkpointed amy || fail "no checkpoint for amy: $(names amy)"
wait_until 10 checkpointed bob || fail "no checkpoint for bob: $(names bob)"
sh_ -ls -R /user/bob | grep -Eq '/user/bob/.Trash/[0-9]{12}/f$' || fail "bob's file: $(sh_ -ls -R /user/bob)"
gone() { [ "$(names amy)" = notes ] && [ -z "$(names bob)" ]; }
wait_until 20 gone || fail "not emptied: amy $(names amy), bob $(names bob)"
sh_ -test -d /user/carl && sh_ -test -e /user/dora || fail "more than trash was touched"
grep -q 'unexpected item in trash' "$dir/nn.log" || fail "notes are not named in the log"
before=$(sh_ -ls -R / | sort)
kill -9 "$(cat "$dir/nn.pid")"; rm -f "$dir/nn.pid"
"$cluster" namenode "$dir" "$base" fs.trash.interval=0 >/dev/null || fail "the NameNode does not start again"
[ "$(sh_ -ls -R / | sort)" = "$before" ] || fail "after the restart: $(sh_ -ls -R /)"
left_safe_mode() { sh_ -mkdir -p /user/carl/.Trash/Current /user/carl/.Trash/200101000000 2>/dev/null; }
wait_until 20 left_safe_mode || fail "mkdir after the restart"
sleep 3
[ "$(names carl | sort | tr '\n' ' ')" = "200101000000 Current " ] || fail "an emptier that is off: $(names carl)"
