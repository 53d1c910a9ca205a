#!/usr/bin/env bash
# A Java DataNode stops and ours starts on its directory, then back again, with an open replica whose writer is dead: nothing is copied,
# all bytes and checksums stay. TAKEOVER_FILES (60; 500 are 1,000 blocks) files of two blocks; NAMENODE=ours or java: only under that one.
. "$(dirname "$0")/lib.sh"
files=${TAKEOVER_FILES:-60} dir=$scratch/cluster0 base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
nn=$dir; [ "${NAMENODE:-}" != java ] || nn=$dir/java
at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
export HADOOP_PEER_HEAP=256m HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1"

ours() { "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * $1)) --name "dn$1" || fail "our DataNode does not start on dn$1"; }
theirs() { "$peer" datanode "$dir/java" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * $1)) --name "dn$1" || fail "the Java DataNode does not start on dn$1"; }
stop() { # FOLDER NAME
  local pid; pid=$(cat "$1/$2.pid"); kill "$pid"
  wait_until 20 eval "! kill -0 $pid 2>/dev/null" || fail "$2 does not stop"
  rm -f "$1/$2.pid"
}
live() { if [ "$nn" = "$dir" ]; then "$cluster" live "$dir" 2; else "$peer" live "$nn" 2; fi || fail "not two live DataNodes"; }
figure() { # NAME: of the NameNode
  exec 3<>"/dev/tcp/127.0.0.1/$((base + 1))" || return 1
  printf 'GET /jmx HTTP/1.0\r\n\r\n' >&3
  grep -o "\"$1\" *: *[0-9]*" <&3 | head -n 1 | grep -o '[0-9]*$'
  exec 3>&-
}
whole() { [ "$(figure BlocksTotal)" -ge $((2 * files)) ] && [ "$(figure UnderReplicatedBlocks)" = 0 ] && [ "$(figure PendingReplicationBlocks)" = 0 ]; }
# name, place on disk and content of each finalized replica of the tree: a copy from elsewhere would be another inode
replicas() { (cd "$1" && find . -path '*finalized*' -name 'blk_*' -printf '%P %i\n' | sort && find . -path '*finalized*' -name 'blk_*' -exec cksum {} + | sort -k3); }
uuid() { sed -n 's/^datanodeUuid=//p' "$1/current/VERSION"; }

if [ "$nn" = "$dir" ]; then "$cluster" namenode "$dir" "$base"; else "$peer" namenode "$nn" "$base"; fi || fail "the NameNode does not start"
ours 1
theirs 0
live
mkdir "$scratch/in"
for ((i = 0; i < files; i++)); do head -c $((2048 + i)) /dev/urandom >"$scratch/in/f$i"; done
"$dfs" -D dfs.replication=2 -D dfs.blocksize=2047 -D dfs.bytes-per-checksum=23 -fs "$url" -put "$scratch/in" /tree || fail "put"
coproc writer { exec "$HADRON_BIN/pipeline_writer" "$url" 2>"$scratch/writer.log"; }
printf 'create /open 2 1048576\nwrite 70001\nhflush\n' >&"${writer[1]}"
for _ in 1 2 3; do read -r -t 30 answer <&"${writer[0]}" && [ "${answer%% *}" = ok ] || fail "the writer: ${answer:-no answer}"; done
pid=$writer_PID; kill -9 "$pid"; wait "$pid" 2>/dev/null
wait_until 30 whole || fail "the blocks are not all in two places"
find "$dir/java/dn0.data" -path '*rbw*' -name 'blk_*' | grep -q . || fail "there is no open replica to take over"
replicas "$dir/java/dn0.data" >"$scratch/before"; replicas "$dir/dn1.data" >"$scratch/before1"; id=$(uuid "$dir/java/dn0.data")
[ "$(wc -l <"$scratch/before")" -ge $((8 * files)) ] || fail "$(wc -l <"$scratch/before") lines of replicas"

same() { # WHEN FOLDER: of the tree's blocks; the open file's comes and goes
  [ "$(uuid "$2")" = "$id" ] || fail "$1: another DataNode"
  replicas "$2" | grep -vf "$scratch/open" >"$scratch/after"
  grep -vf "$scratch/open" "$scratch/before" | cmp -s - "$scratch/after" || fail "$1: replicas were touched: $(grep -vf "$scratch/open" "$scratch/before" | diff - "$scratch/after" | head -n 3)"
  replicas "$dir/dn1.data" | grep -vf "$scratch/open" | cmp -s - <(grep -vf "$scratch/open" "$scratch/before1") || fail "$1: replicas of the other node were touched"
}
find "$dir/java/dn0.data" -path '*rbw*' -name 'blk_*' ! -name '*.meta' -printf '%f\n' >"$scratch/open"
read_all() { rm -rf "$scratch/out"; "$dfs" -fs "$url" -get /tree "$scratch/out" && diff -r "$scratch/in" "$scratch/out" >&2 || fail "$1: other bytes are read"; }

stop "$dir/java" dn0
mv "$dir/java/dn0.data" "$dir/dn0.data"
ours 0
live
wait_until 30 whole || fail "ours on Java's disks: $(figure UnderReplicatedBlocks) blocks lack a replica"
same "ours on Java's disks" "$dir/dn0.data"
"$dfs" -fs "$url" debug recoverLease -path /open -retries 20 >"$scratch/recover.log" 2>&1 || fail "recoverLease: $(cat "$scratch/recover.log")"
[ "$("$dfs" -fs "$url" -cat /open | wc -c)" -ge 70001 ] || fail "the open file lost flushed bytes"
stop "$dir" dn1
read_all "ours on Java's disks alone"
ours 1
live
wait_until 30 whole || fail "the open file is not in two places again"

stop "$dir" dn0
mv "$dir/dn0.data" "$dir/java/dn0.data"
theirs 0
live
wait_until 30 whole || fail "Java on the disks again: $(figure UnderReplicatedBlocks) blocks lack a replica"
same "Java on the disks again" "$dir/java/dn0.data"
stop "$dir" dn1
read_all "Java on the disks alone"
[ "$("$dfs" -fs "$url" -cat /open | wc -c)" -ge 70001 ] || fail "the open file lost flushed bytes under Java"
[ -n "${NAMENODE:-}" ] || NAMENODE=java "$0" || exit 1
