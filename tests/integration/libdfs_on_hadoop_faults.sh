#!/usr/bin/env bash
# Our writer on a Hadoop cluster whose DataNodes are killed or stopped at each point of a write. Each case must succeed in
# time, flushed bytes must be readable at once, and Hadoop's own client reads all files back equal, as do all replicas.
# HADRON_LONG=1: every point at every position (about 10 minutes); CASES="how:point:position ..." for single ones.
. "$(dirname "$0")/lib.sh"
dir=$scratch/java base=$(free_base) url=hdfs://127.0.0.1:$base
at_end() { "$peer" stop "$dir" 2>/dev/null; }
export HADOOP_PEER_HEAP=${HADOOP_PEER_HEAP:-200m}
settings=(dfs.blocksize=1m dfs.namenode.stale.datanode.interval=3000)
"$peer" start "$dir" 3 "$base" "${settings[@]}" >/dev/null || fail "Hadoop does not start"
mkdir "$scratch/out"

port() { echo $((base + 10 + 3 * $1)); }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
heal() { # between cases: stopped nodes go on, killed ones come back
  local i again=0
  for i in 0 1 2; do
    kill -CONT "$(cat "$dir/dn$i.pid")" 2>/dev/null
    listens "$(port $i)" && continue
    rm -f "$dir/dn$i.pid"
    "$peer" datanode "$dir" --namenode "127.0.0.1:$base" --port "$(port $i)" --name "dn$i" "${settings[@]}" || fail "dn$i does not come back"
    again=1
  done
  [ $again = 0 ] || wait_until 60 writes_to_three || fail "the DataNodes are not usable again"
}
writes_to_three() { "$dfs" -D dfs.replication=3 -fs "$url" -put -f "$scratch/out/probe" /probe 2>/dev/null &&
  [ "$("$dfs" -fs "$url" -stat %r /probe)" = 3 ] && sleep 1 && replicas_of_probe; }
replicas_of_probe() { "$peer" fsck "$url" /probe -files -blocks 2>/dev/null | grep -q 'Live_repl=3'; }
echo probe >"$scratch/out/probe"

limit_ms() { [ "$1" = kill ] && echo "${HADRON_KILL_MS:-2000}" || echo "${HADRON_STOP_MS:-6000}"; }
run_case() { # HOW POINT POSITION
  local nodes=() i said ms
  for i in 0 1 2; do nodes+=("127.0.0.1:$(port $i)=$(cat "$dir/dn$i.pid")"); done
  said=$("$HADRON_BIN/pipeline_faults" "$url" "$scratch/out" "$1" "$2" "$3" "${nodes[@]}") || fail "$1 at $2, position $3"
  echo "$said"
  ms=${said##*call }; ms=${ms% ms}
  [ "$ms" -le "$(limit_ms "$1")" ] || slow+=("$said")
}

slow=()
cases=${CASES:-stop:flush:0 stop:last:2 stop:append:1 kill:packet:1}
[ "${HADRON_LONG:-0}" = 1 ] && cases=$(for point in connect first packet chunk flush block last close append; do
  for position in 0 1 2; do echo stop:$point:$position kill:$point:$position; done
done)
first=1
for c in $cases; do
  [ $first = 1 ] || heal
  IFS=: read -r how point position <<<"$c"; run_case "$how" "$point" "$position"; first=0
done
heal # what ended with one node may have its only replica on the last victim
[ ${#slow[@]} = 0 ] || fail "too slow: ${slow[*]}"

# closed files have all replicas that live, equal on every node, and Hadoop reads what was written
rm "$scratch/out/probe"
"$peer" dfs "$url" -get /faults "$scratch/read" 2>"$scratch/get" || fail "Hadoop's client can't read: $(grep -v '^	at' "$scratch/get")" # it tells of the killed node
diff -r "$scratch/out" "$scratch/read" || fail "what Hadoop's client reads differs"
same_replicas() {
  find "$dir"/dn?.data -path '*finalized*' -name 'blk_*.meta' | while read -r meta; do
    echo "${meta##*/} $(md5sum <"${meta%_*}")"
  done | sort -u | cut -d' ' -f1 | uniq -d
}
[ -z "$(same_replicas)" ] || fail "replicas of one block and stamp differ: $(same_replicas)"
echo "libdfs_on_hadoop_faults: $(ls "$scratch/out" | wc -l) files, all bytes there"
