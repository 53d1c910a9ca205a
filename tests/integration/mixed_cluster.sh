#!/usr/bin/env bash
# Two DataNodes of ours and two of a real Hadoop under one NameNode, ours and then Hadoop's (NAMENODE=ours or java: only that one): put, get,
# append, a kill of each kind and healing, fsck, and a balancer that fills a fifth node.
. "$(dirname "$0")/lib.sh"
dir=$scratch/cluster base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
nn=$dir; [ "${NAMENODE:-}" != java ] || nn=$dir/java
at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
export HADOOP_PEER_HEAP=256m HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
common=(dfs.blocksize=1048576 dfs.datanode.round-robin-volume-choosing-policy.additional-available-space=0)
quick=(dfs.namenode.heartbeat.recheck-interval=1000 dfs.namenode.stale.datanode.interval=3000 dfs.namenode.reconstruction.pending.timeout-sec=5)

place() { # INDEX: its disk is a small file system, so that it fills noticeably
  local data; case $1 in 2 | 3) data=$dir/java/dn$1.data ;; *) data=$dir/dn$1.data ;; esac
  mkdir -p "$data" && mount -t tmpfs -o size=160m,mode=700 tmpfs "$data" 2>/dev/null || { echo "a tmpfs can't be mounted here" >&2; exit 77; }
}
node() { # INDEX: 0, 1 and 4 are ours
  local args=(--namenode "127.0.0.1:$base" --port $((base + 10 + 3 * $1)) --name "dn$1" --no-wait "${common[@]}")
  case $1 in 2 | 3) "$peer" datanode "$dir/java" "${args[@]}" ;; *) "$cluster" datanode "$dir" "${args[@]}" ;; esac || fail "dn$1 does not start"
}
pid_file() { case $1 in 2 | 3) echo "$dir/java/dn$1.pid" ;; *) echo "$dir/dn$1.pid" ;; esac; }
live() { if [ "$nn" = "$dir" ]; then "$cluster" live "$dir" "$1"; else "$peer" live "$nn" "$1"; fi || fail "not $1 live DataNodes"; }
healthy() { "$dfs" fsck -D "dfs.namenode.http-address=127.0.0.1:$((base + 1))" -fs "$url" / >"$scratch/fsck" 2>&1 && ! grep -E 'Under-replicated blocks:|Over-replicated blocks:|Missing replicas:' "$scratch/fsck" | grep -qv '[[:space:]]0\( (0.0 %)\)\?$'; }
await_health() { wait_until "${2:-60}" healthy || fail "$1: $(cat "$scratch/fsck")"; }
sums() { "$dfs" -fs "$url" -cat '/tree/*' | md5sum; }

if [ "$nn" = "$dir" ]; then "$cluster" namenode "$dir" "$base" "${quick[@]}"; else "$peer" namenode "$nn" "$base" "${quick[@]}"; fi || fail "the NameNode does not start"
for i in 0 1 2 3 4; do place $i; done
for i in 0 1 2 3; do node $i; done
live 4

mkdir "$scratch/in"
for i in 1 2 3 4 5 6; do head -c $((9 * 1048576 + i * 1000)) /dev/urandom >"$scratch/in/f$i"; done
"$dfs" -fs "$url" -D dfs.blocksize=1048576 -put "$scratch/in" /tree || fail "put"
"$dfs" -fs "$url" -get /tree "$scratch/out" && diff -r "$scratch/in" "$scratch/out" >&2 || fail "get has other bytes"
for i in 1 2 3; do
  head -c 70001 /dev/urandom >"$scratch/more"; cat "$scratch/more" >>"$scratch/in/f$i"
  "$dfs" -fs "$url" -appendToFile "$scratch/more" "/tree/f$i" || fail "append"
done
want=$(cat "$scratch"/in/* | md5sum)
[ "$(sums)" = "$want" ] || fail "other bytes after append"
await_health "after append"

for victim in 1 2; do # ours, then Hadoop's
  kill -9 "$(cat "$(pid_file $victim)")"; rm "$(pid_file $victim)"
  live 3
  [ "$(sums)" = "$want" ] || fail "other bytes without dn$victim"
  await_health "without dn$victim"
  node $victim
  live 4
  await_health "dn$victim is back"
done
"$peer" fsck "$url" / 2>/dev/null | grep -q "^The filesystem under path '/' is HEALTHY" || fail "Hadoop's fsck finds it not healthy"

node 4
live 5
blocks() { find "$1" -path '*finalized*' -name 'blk_*' ! -name '*.meta' | wc -l; }
HADRON_LOG=warn "$dfs" balancer -fs "$url" -D dfs.balancer.getBlocks.min-block-size=1 -D dfs.blocksize=1048576 -D dfs.heartbeat.interval=1 \
  -D dfs.namenode.redundancy.interval.seconds=1 -threshold 8 >"$scratch/balancer" 2>&1 || fail "balancer: $(tail -n 5 "$scratch/balancer")"
[ "$(blocks "$dir/dn4.data")" -ge 15 ] || fail "the balancer moved $(blocks "$dir/dn4.data") blocks: $(tail -n 5 "$scratch/balancer")"
await_health "after the balancer"
[ "$(sums)" = "$want" ] || fail "other bytes after the balancer"
[ -n "${NAMENODE:-}" ] || NAMENODE=java "$0" || exit 1
