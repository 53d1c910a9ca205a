#!/usr/bin/env bash
# kill -9 of the NameNode in the middle of 10,000 creates, three times: every create that was answered is there after the
# restart. Then a graceful stop, and everything once more.
. "$(dirname "$0")/lib.sh"
storm=$HADRON_BIN/create_storm
dir=$scratch/nn; base=$(free_base); clusters+=("$dir")
"$cluster" namenode "$dir" "$base" >/dev/null || fail "the NameNode does not start"
at=127.0.0.1:$base
log=$scratch/acknowledged; : >"$log"
lines() { wc -l <"$log"; }
answered() { [ "$(lines)" -ge "$1" ]; }
stopped() { ! kill -0 "$(cat "$dir/nn.pid")" 2>/dev/null; }
restart() { "$cluster" namenode "$dir" "$base" $(cat "$dir/nn.args") >/dev/null || fail "the NameNode does not start again"; }

first=0 left=10000 # those in flight at a kill were perhaps made, perhaps not: go on well behind them
for goal in 1500 4000 7000; do
  "$storm" "$at" create $first $left 16 "$log" 2>/dev/null &
  runner=$!
  wait_until 60 answered $goal || fail "only $(lines) creates answered"
  kill -9 "$(cat "$dir/nn.pid")"
  wait $runner
  wait_until 20 stopped || fail "the process does not die"
  n=$(lines)
  [ "$n" -lt 10000 ] || fail "the kill came too late: $n answered"
  restart
  "$storm" "$at" verify "$log" >/dev/null || fail "after kill -9 at $n creates"
  first=$((first + 10000)) left=$((10000 - n))
done
"$storm" "$at" create $first $left 16 "$log" || fail "the rest of the creates"
kill "$(cat "$dir/nn.pid")"
wait_until 20 stopped || fail "SIGTERM does not stop it"
ls "$dir"/name/current/edits_inprogress_* >/dev/null 2>&1 && fail "a graceful stop leaves no segment in progress"
restart
"$storm" "$at" verify "$log" || fail "after a graceful stop"
