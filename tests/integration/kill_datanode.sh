#!/usr/bin/env bash
# kill -9 of one of three DataNodes: reads go on; replication is back to 3 after another one joins.
. "$(dirname "$0")/lib.sh"
start_cluster 3 dfs.namenode.heartbeat.recheck-interval=1000 dfs.namenode.stale.datanode.interval=3000 dfs.blocksize=1m
head -c 12M /dev/urandom >"$scratch/in"
"$dfs" -fs "$url" -put "$scratch/in" /file || fail "put"
kill -9 "$(cat "$dir/dn1.pid")"
for i in 1 2 3; do
  "$dfs" -fs "$url" -cat /file | cmp - "$scratch/in" || fail "read $i after the kill"
done
"$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 40)) --name dn9 >/dev/null || fail "the fourth DataNode"
blocks_on() { find "$1" -name 'blk_*' ! -name '*.meta' -path '*finalized*' | wc -l; }
healed() { [ "$(blocks_on "$dir/dn9.data")" = 12 ]; }
wait_until 60 healed || fail "$(blocks_on "$dir/dn9.data") of 12 blocks re-replicated after 60 s"
kill -9 "$(cat "$dir/dn0.pid")" "$(cat "$dir/dn2.pid")"
"$dfs" -fs "$url" -cat /file | cmp - "$scratch/in" || fail "read from the new replicas alone"
