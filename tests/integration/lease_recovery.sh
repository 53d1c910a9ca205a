#!/usr/bin/env bash
# Writers killed at random instants, then recoverLease: what was flushed is there, and all replicas are equal, on disk.
# RECOVERY_REPEATS=500 for the long form; DATANODES=java or mixed for DataNodes of a real Hadoop instead of ours, or beside them.
. "$(dirname "$0")/lib.sh"
repeats=${RECOVERY_REPEATS:-20}; seed=${SEED:-$RANDOM}
start_nodes "${DATANODES:-}"
"$dfs" -fs "$url" -mkdir /lease_recovery
"$HADRON_BIN/lease_recovery" "$url" "$repeats" 3 "$seed" >"$scratch/out" || { echo "seed $seed" >&2; exit 1; }

# the same when every server dies with the writers: what was flushed is on the disks of all
if [ -z "${DATANODES:-}" ]; then
  cat >"$scratch/all_die" <<END
pids="$(cat "$dir/nn.pid" "$dir"/dn?.pid | tr '\n' ' ')"
kill -9 \$pids
for p in \$pids; do while kill -0 \$p 2>/dev/null; do sleep 0.1; done; done
"$cluster" start "$dir" 3 $base >/dev/null
END
  BETWEEN="sh $scratch/all_die" "$HADRON_BIN/lease_recovery" "$url" 5 3 $((seed + 1)) >>"$scratch/out" || { echo "seed $((seed + 1)), with all servers killed" >&2; exit 1; }
fi
n=$(wc -l <"$scratch/out")
[ "$n" -ge $((repeats / 2)) ] || fail "only $n of $repeats writers got as far as to create their file"

equal() { # each finalized block and its checksums: three copies, one content
  find "$dir" -path '*finalized*' -name 'blk_*' -exec cksum {} + | awk '
    { name = $3; sub(".*/", "", name); sum = $1 " " $2; copies[name]++
      if (name in first && first[name] != sum) { print name, "differs"; bad = 1 }
      first[name] = sum }
    END { for (name in copies) if (copies[name] != 3) { print name, "has", copies[name], "copies"; bad = 1 }; exit bad }' >"$scratch/unequal"
}
wait_until 30 equal || fail "replicas differ: $(cat "$scratch/unequal")"
none_open() { [ -z "$(find "$dir" -path '*/rbw/blk_*')" ]; } # those without a byte go with a heartbeat
wait_until 30 none_open || fail "replicas are still being written: $(find "$dir" -path '*/rbw/blk_*')"
