#!/usr/bin/env bash
# The balancer: two full DataNodes and an empty one; afterwards their use differs little, all files read the same and no block has more or fewer replicas. Two
# balancers exclude each other; a killed one and a DataNode killed meanwhile leave nothing broken. The mover: files go to the volumes of their
# storage policies. BALANCER_NODES=java: with DataNodes of a real Hadoop; BALANCER_NAMENODE=java: with its NameNode; BALANCER_TOOLS=java: with its
# balancer and mover (what is killed stays ours).
. "$(dirname "$0")/lib.sh"
kind=${BALANCER_NODES:-ours} namenode=${BALANCER_NAMENODE:-ours} tools=${BALANCER_TOOLS:-ours}
size=$((96 << 20)) # of a volume: the rest of the disk is reserved
total=$(stat -f -c '%b %S' "$scratch" | awk '{printf "%.0f", $1 * $2}')
dir=$scratch/cluster; base=$(free_base); clusters+=("$dir"); url=hdfs://127.0.0.1:$base
common=("dfs.datanode.du.reserved=$((total - size))" dfs.blocksize=1048576)
at_end() { "$peer" stop "$dir/java" 2>/dev/null; }

disk() { # FOLDER: so small for a DataNode of Hadoop, which counts the rest of a disk in another way
  [ "$kind" = java ] || return 0
  mkdir -p "$1"; grep -q " $1 " /proc/mounts || mount -t tmpfs -o "size=$size,mode=700" none "$1" || { echo "no tmpfs can be mounted here"; exit 77; }
}
live() { # N
  if [ "$namenode" = java ]; then "$peer" live "$dir/java" "$1"; else "$cluster" live "$dir" "$1"; fi >/dev/null || fail "not all of $1 DataNodes register"
}

node() { # I [k=v..]
  local i=$1; shift
  disk "$dir/java/dn$i.data"
  if [ "$kind" = java ]; then "$peer" datanode "$dir/java" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name "dn$i" --no-wait dfs.blocksize=1048576 \
    dfs.datanode.round-robin-volume-choosing-policy.additional-available-space=0 "$@"
  else "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name "dn$i" --no-wait "${common[@]}" "$@"; fi ||
    fail "dn$i does not start"
}
used() { # percent of each live node, in the order of their ports
  "$dfs" admin -fs "$url" -report -live 2>/dev/null | awk '/^Name:/ {name = $2} /^DFS Used%:/ && name {sub("%", "", $3); print name, $3}' | sort | awk '{printf "%d ", $2}'
}
spread() { local u; read -ra u <<<"$(used)"; printf '%s\n' "${u[@]}" | sort -n | awk 'NR == 1 {low = $1} END {print $1 - low}'; }
is_spread() { [ "$(spread)" -le "$1" ]; }
is_uneven() { [ "$(spread)" -ge 45 ]; }
balancing=("$dfs" balancer -fs "$url" -D dfs.balancer.getBlocks.min-block-size=1 -D dfs.blocksize=1048576
  -D dfs.heartbeat.interval=1 -D dfs.namenode.redundancy.interval.seconds=1)
java_tool() { # CLASS ARGS..
  local c=$scratch/tool.conf class=$1; shift
  if [ ! -d "$c" ]; then
    mkdir "$c"
    echo "<configuration><property><name>fs.defaultFS</name><value>$url</value></property></configuration>" >"$c/core-site.xml"
    { echo '<configuration>'
      printf '<property><name>%s</name><value>%s</value></property>\n' dfs.balancer.getBlocks.min-block-size 1 dfs.blocksize 1048576 dfs.heartbeat.interval 1 \
        dfs.namenode.redundancy.interval.seconds 1s
      echo '</configuration>'; } >"$c/hdfs-site.xml"
  fi
  HADOOP_PEER_CP=$c "$peer" class "org.apache.hadoop.hdfs.server.$class" "$@"
}
java_rounds() { # CLASS ARGS..: Hadoop's end at their second round, since they register their metrics twice; so one run for each round
  local rc out=$scratch/java.out
  while :; do
    java_tool "$@" >"$out" 2>"$scratch/java.err"; rc=$?
    grep -q 'MetricsException: Metrics source .* already exists' "$scratch/java.err" || break
    sleep 3
  done
  cat "$out"; cat "$scratch/java.err" >&2
  return $rc
}
balancer() {
  if [ "$tools" = java ]; then java_rounds balancer.Balancer "$@"
  else HADRON_LOG=${HADRON_LOG:-warn} "${balancing[@]}" "$@"; fi
}
mover() {
  if [ "$tools" = java ]; then java_rounds mover.Mover "$@"; return; fi
  "$dfs" mover -fs "$url" -D dfs.blocksize=1048576 -D dfs.heartbeat.interval=1 -D dfs.namenode.redundancy.interval.seconds=1 "$@"
}
put() { "$dfs" -fs "$url" -D dfs.replication=2 -D dfs.blocksize=1048576 -put "$1" "$2" || fail "put $2"; }
sums() { "$dfs" -fs "$url" -cat "/f/*" 2>/dev/null | md5sum; }
replicas() { # on all disks, of whole blocks
  find "$dir" -path '*/finalized/*' -name 'blk_*' ! -name '*.meta' | wc -l
}
healthy() { # N: so many replicas, each block with its wish
  [ "$(replicas)" = "$1" ] && "$dfs" admin -fs "$url" -report 2>/dev/null | grep -q '^	*Low redundancy.*: 0$\|^Under replicated blocks: 0$'
}

mkdir -p "$dir"; : >"$scratch/exclude"
if [ "$namenode" = java ]; then "$peer" namenode "$dir/java" "$base"; else "$cluster" namenode "$dir" "$base" dfs.hosts.exclude="$scratch/exclude"; fi ||
  fail "the NameNode does not start"
node 0; node 1
live 2

# --- fill two, add one, even them ---
files=54
"$dfs" -fs "$url" -mkdir -p /f
head -c $((files << 20)) /dev/urandom >"$scratch/data"
for ((i = 0; i < 6; i++)); do
  dd if="$scratch/data" of="$scratch/part" bs=1M count=9 skip=$((9 * i)) status=none
  put "$scratch/part" "/f/$i"
done
before=$(sums)
[ "$(replicas)" = $((2 * files)) ] || fail "$(replicas) replicas instead of $((2 * files)) before"
node 2
live 3
wait_until 20 is_uneven || fail "the nodes are even before: $(used)"
if [ "$namenode" = ours ]; then # a node that leaves gets nothing
  echo "127.0.0.1:$((base + 16))" >"$scratch/exclude"
  "$dfs" admin -fs "$url" -refreshNodes >/dev/null || fail "refreshNodes"
  balancer -threshold 5 >"$scratch/out" 2>"$scratch/err" || fail "balancer beside a node that leaves: exit $?: $(cat "$scratch/out" "$scratch/err")"
  grep -q ' 0 B  *0 B  *0 B  *0 ' "$scratch/out" || fail "moves to a node that leaves: $(cat "$scratch/out")"
  : >"$scratch/exclude"
  "$dfs" admin -fs "$url" -refreshNodes >/dev/null || fail "refreshNodes"
fi

balancer -threshold 5 >"$scratch/out" 2>"$scratch/err" || fail "balancer: exit $?: $(cat "$scratch/out" "$scratch/err")"
head -1 "$scratch/out" | grep -q '^Time Stamp  *Iteration#  Bytes Already Moved' || fail "no table: $(cat "$scratch/out")"
grep -q '^The cluster is balanced. Exiting...$' "$scratch/out" || fail "not balanced: $(cat "$scratch/out")"
grep -q 'Balancing took [0-9.]* \(seconds\|minutes\|milliseconds\)$' "$scratch/out" || fail "no last line: $(cat "$scratch/out")"
wait_until 20 is_spread 11 || fail "not even: $(used); $(cat "$scratch/out" "$scratch/err")"
wait_until 20 healthy $((2 * files)) || fail "$(replicas) replicas instead of $((2 * files)) after"
[ "$(sums)" = "$before" ] || fail "the files read differently"
"$dfs" -fs "$url" -test -e /system/balancer.id && fail "the balancer left its file"

# --- one at a time; a killed balancer and a killed DataNode ---
put "$scratch/data" /f/big # the first two are the fuller ones again only by chance: what follows needs no more than some work
node 3 dfs.datanode.balance.bandwidthPerSec=1500000 # slow, so that there is a middle
live 4
blocks=$((2 * files + 2 * files)) before=$(sums)
"${balancing[@]}" -threshold 3 >"$scratch/out1" 2>&1 &
first=$!
wait_until 20 "$dfs" -fs "$url" -test -e /system/balancer.id || fail "no /system/balancer.id: $(cat "$scratch/out1")"
balancer -threshold 3 >"$scratch/out2" 2>&1; rc=$?
[ $rc = 252 ] && grep -q '^java.io.IOException: Another Balancer is running..  Exiting ...$' "$scratch/out2" ||
  fail "a second balancer: exit $rc: $(cat "$scratch/out2")"
kill -9 $first; wait $first 2>/dev/null
victim=$dir/dn3.pid
[ "$kind" = java ] && victim=$dir/java/dn3.pid
kill -9 "$(cat "$victim")" && rm "$victim"
sleep 1
node 3
"$dfs" debug -fs "$url" recoverLease -path /system/balancer.id -retries 20 >"$scratch/lease" 2>&1
balancer -threshold 4 >"$scratch/out" 2>"$scratch/err" || fail "the balancer after: exit $?: $(cat "$scratch/out" "$scratch/err")"
wait_until 30 is_spread 9 || fail "not even after: $(used); $(cat "$scratch/out" "$scratch/err")"
wait_until 30 healthy $blocks || fail "$(replicas) replicas instead of $blocks after all"
[ "$(sums)" = "$before" ] || fail "the files read differently after all"

# --- command line ---
balancer -threshold 0.5 >"$scratch/out" 2>"$scratch/err"; rc=$?
[ $rc = 255 ] && grep -q '^Expecting a number in the range of \[1.0, 100.0\]: 0.5$' "$scratch/err" || fail "-threshold 0.5: exit $rc: $(cat "$scratch/err")"
balancer -exclude 127.0.0.1 >"$scratch/out" 2>&1 || fail "-exclude of all: exit $?: $(cat "$scratch/out")"

# --- the mover ---
for d in 4 5; do
  p=$dir; [ "$kind" = java ] && p=$dir/java
  disk "$p/dn$d.disk"; disk "$p/dn$d.archive"
  mkdir -p "$p/dn$d.disk" "$p/dn$d.archive"; chmod 700 "$p/dn$d.disk" "$p/dn$d.archive"
  node $d "dfs.datanode.data.dir=[DISK]file://$p/dn$d.disk,[ARCHIVE]file://$p/dn$d.archive"
done
live 6
on() { find "$dir" -path "*/dn[45].$1/*/finalized/*" -name 'blk_*' ! -name '*.meta' | wc -l; }
"$dfs" -fs "$url" -mkdir -p /cold
dd if="$scratch/data" of="$scratch/part" bs=1M count=8 status=none
put "$scratch/part" /cold/a
cold=$("$dfs" -fs "$url" -cat /cold/a | md5sum) archived=$(on archive)
[ "$archived" = 0 ] || fail "the archive has $archived replicas before"
mover -p /cold >"$scratch/out" 2>"$scratch/err" || fail "mover with nothing to do: exit $?: $(cat "$scratch/out" "$scratch/err")"
"$dfs" storagepolicies -fs "$url" -setStoragePolicy -path /cold -policy COLD >/dev/null || fail "setStoragePolicy"
mover -p /cold >"$scratch/out" 2>"$scratch/err" || fail "mover: exit $?: $(cat "$scratch/out" "$scratch/err")"
grep -q '^Mover Successful: all blocks satisfy the specified storage policy. Exiting...$' "$scratch/out" || fail "mover: $(cat "$scratch/out")"
in_archive() { [ "$(on archive)" = "$1" ]; }
wait_until 20 in_archive 16 || { mover -p /cold >"$scratch/out" 2>"$scratch/err"; wait_until 20 in_archive 16; } || fail "the archive has $(on archive) of 16 replicas"
wait_until 20 healthy $((blocks + 16)) || fail "$(replicas) replicas instead of $((blocks + 16)) after the mover"
[ "$("$dfs" -fs "$url" -cat /cold/a | md5sum)" = "$cold" ] || fail "the moved file reads differently"
"$dfs" storagepolicies -fs "$url" -setStoragePolicy -path /cold -policy ALL_SSD >/dev/null || fail "setStoragePolicy"
mover -p /cold >"$scratch/out" 2>"$scratch/err"; rc=$?
[ $rc = 254 ] && grep -q "^Some blocks can't be moved. Exiting...$" "$scratch/err" || fail "mover to what is not there: exit $rc: $(cat "$scratch/out" "$scratch/err")"
mover -p cold >"$scratch/out" 2>&1; rc=$?
[ $rc = 251 ] && grep -q 'The path cold is not absolute' "$scratch/out" || fail "mover -p cold: exit $rc: $(cat "$scratch/out")"
echo "balanced, moved: $(used)"
