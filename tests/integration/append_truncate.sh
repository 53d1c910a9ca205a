#!/usr/bin/env bash
# Appends to and cuts of files around the edges of chunks and blocks, with somebody reading along; then a restart of
# the NameNode, which must find the same. APPEND_ALL=1: every length from 0 to 1,025. DATANODES=java as in lease_recovery.sh.
. "$(dirname "$0")/lib.sh"
if [ "${DATANODES:-}" = java ]; then
  dir=$scratch/cluster0; base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
  at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
  "$cluster" namenode "$dir" "$base" || fail "the NameNode does not start"
  for i in 0 1 2; do "$peer" datanode "$dir/java" --namenode "127.0.0.1:$base" --port $((base + 40 + 3 * i)) --name dn$i --no-wait; done
  "$cluster" live "$dir" 3 || fail "the Java DataNodes do not register"
else
  start_cluster 3
fi
"$HADRON_BIN/append_truncate" "$url" ${APPEND_ALL:+all} || exit 1
contents() { "$dfs" -fs "$url" -ls -R / && "$dfs" -fs "$url" -cat '/append_truncate/*' | cksum; }
contents >"$scratch/before"
"$cluster" restart-namenode "$dir" && "$cluster" live "$dir" 3 || fail "the NameNode does not start again"
contents >"$scratch/after"
cmp -s "$scratch/before" "$scratch/after" || { diff "$scratch/before" "$scratch/after" | head -5 >&2; fail "the NameNode remembers something else after a restart"; }

# cuts that the NameNode has only written down are finished by the next one
"$HADRON_BIN/append_truncate" "$url" begin || exit 1
kill -9 "$(cat "$dir/nn.pid")"
"$cluster" restart-namenode "$dir" && "$cluster" live "$dir" 3 || fail "the NameNode does not start after a kill"
"$HADRON_BIN/append_truncate" "$url" end || exit 1
