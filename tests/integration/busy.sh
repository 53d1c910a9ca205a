#!/usr/bin/env bash
# A busy machine (BUSY_LOOPS endless loops beside the servers) and a slow disk: no healthy node is dropped from a pipeline.
# Each block takes one generation stamp, each recovery of a pipeline one more; so the highest stamp counts the recoveries.
. "$(dirname "$0")/lib.sh"
first_stamp=1000 mib=${BUSY_MIB:-24} loops=() blocks=$((4 << 20))
at_end() { kill ${loops[@]+"${loops[@]}"} 2>/dev/null; }
start_cluster 4 "dfs.blocksize=$blocks" 'hadron.testing.failpoints=${hadoop.tmp.dir}.faults'
for ((i = 0; i < ${BUSY_LOOPS:-8}; i++)); do
  while :; do :; done &
  loops+=($!)
done
echo "write stall:1500 $((blocks - 70000))" >"$dir/dn0.tmp.faults" # the end of each block waits more than a second
head -c $((mib << 20)) /dev/urandom >"$scratch/data"
puts=()
for i in 1 2 3; do "$dfs" -fs "$url" -put "$scratch/data" "/busy$i" & puts+=($!); done
for p in "${puts[@]}"; do wait "$p" || fail "a put fails on a busy machine"; done
at_end; loops=()
for i in 1 2 3; do "$dfs" -fs "$url" -cat "/busy$i" | cmp - "$scratch/data" || fail "/busy$i has other bytes"; done

stamps() { find "$dir" -name 'blk_*.meta' | sed 's/.*blk_\([0-9]*\)_\([0-9]*\)\.meta/\1 \2/' | sort -u; }
count=$(stamps | cut -d' ' -f1 | sort -u | wc -l)
highest=$(stamps | cut -d' ' -f2 | sort -n | tail -n 1)
[ "$count" = $((3 * mib / 4)) ] || fail "$count blocks, expected $((3 * mib / 4))"
[ "$highest" = $((first_stamp + count)) ] || fail "$((highest - first_stamp - count)) recoveries of pipelines of healthy nodes: $(stamps | tail -n 3)"
[ "$(find "$dir" -name 'blk_*.meta' -path '*dn0*' | wc -l)" -gt 0 ] || fail "the slow node has no block"
