#!/usr/bin/env bash
# At-most-once calls with the same ids get the first answer: at once, and after kill -9 and a restart of the NameNode.
. "$(dirname "$0")/lib.sh"
dir=$scratch/nn; base=$(free_base); clusters+=("$dir")
"$cluster" namenode "$dir" "$base" >/dev/null || fail "the NameNode does not start"
coproc calls { exec "$HADRON_BIN/retry_calls" "127.0.0.1:$base"; }
pid=$calls_PID
at_end() { kill "$pid" 2>/dev/null; }
exec 5<&"${calls[0]}" 6>&"${calls[1]}"
read -r -t 60 word <&5 || fail "the calls before the restart"
[ "$word" = restart ] || fail "expected restart, got $word"
kill -9 "$(cat "$dir/nn.pid")"
stopped() { ! kill -0 "$(cat "$dir/nn.pid")" 2>/dev/null; }
wait_until 20 stopped || fail "the process does not die"
"$cluster" namenode "$dir" "$base" >/dev/null || fail "the NameNode does not start again"
echo go >&6
wait "$pid" || fail "the calls after the restart"
