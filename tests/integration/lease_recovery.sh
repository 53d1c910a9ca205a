#!/usr/bin/env bash
# Writers killed at random instants, then recoverLease: what was flushed is there, and all replicas are equal, on disk.
# RECOVERY_REPEATS=500 for the long form; DATANODES=java with three DataNodes of a real Hadoop instead of ours.
. "$(dirname "$0")/lib.sh"
repeats=${RECOVERY_REPEATS:-20}; seed=${SEED:-$RANDOM}
if [ "${DATANODES:-}" = java ]; then
  dir=$scratch/cluster0; base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir"); nodes=$dir/java
  at_end() { "$peer" stop "$nodes" 2>/dev/null; }
  "$cluster" namenode "$dir" "$base" || fail "the NameNode does not start"
  for i in 0 1 2; do "$peer" datanode "$nodes" --namenode "127.0.0.1:$base" --port $((base + 40 + 3 * i)) --name dn$i --no-wait; done
  "$cluster" live "$dir" 3 || fail "the Java DataNodes do not register"
else
  start_cluster 3; nodes=$dir
fi
"$dfs" -fs "$url" -mkdir /lease_recovery
"$HADRON_BIN/lease_recovery" "$url" "$repeats" 3 "$seed" >"$scratch/out" || { echo "seed $seed" >&2; exit 1; }
n=$(wc -l <"$scratch/out")
[ "$n" -ge $((repeats / 2)) ] || fail "only $n of $repeats writers got as far as to create their file"

equal() { # each finalized block and its checksums: three copies, one content
  local block copies
  for block in $(find "$nodes" -path '*finalized*' -name 'blk_*' -printf '%f\n' | sort -u); do
    copies=$(find "$nodes" -path '*finalized*' -name "$block" -exec cksum {} + | awk '{print $1, $2}' | sort | uniq -c)
    [ "$(echo "$copies" | wc -l)" = 1 ] && [ "$(echo "$copies" | awk '{print $1}')" = 3 ] || { echo "$block: $copies" >"$scratch/unequal"; return 1; }
  done
}
wait_until 30 equal || fail "replicas differ: $(cat "$scratch/unequal")"
[ -z "$(find "$nodes" -path '*/rbw/blk_*')" ] || fail "replicas are still being written: $(find "$nodes" -path '*/rbw/blk_*')"
