#!/usr/bin/env bash
# A DataNode with three volumes: one of them goes away, its blocks are replicated again elsewhere; it comes back by a reconfiguration
# (or a restart); another leaves and an SSD joins; when more fail than are tolerated the node stops with one clear line.
. "$(dirname "$0")/lib.sh"
dir=$scratch/cluster0 base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
files=40 v=$scratch/v
replicas() { find "$@" -path '*finalized*' -name 'blk_*' ! -name '*.meta' 2>/dev/null | wc -l; }
figure() { # NAME: of the NameNode
  exec 3<>"/dev/tcp/127.0.0.1/$((base + 1))" || return 1
  printf 'GET /jmx HTTP/1.0\r\n\r\n' >&3
  grep -o "\"$1\" *: *[0-9]*" <&3 | head -n 1 | grep -o '[0-9]*$'
  exec 3>&-
}
whole() { [ "$(figure UnderReplicatedBlocks)" = 0 ] && [ "$(figure PendingReplicationBlocks)" = 0 ] && [ "$(replicas "$@")" -ge $files ]; }
read_all() { rm -rf "$scratch/out"; "$dfs" -fs "$url" -get /tree "$scratch/out" && diff -r "$scratch/in" "$scratch/out" >&2 || fail "$1: other bytes are read"; }
node() { "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10)) --name dn0 "dfs.datanode.data.dir=$1" dfs.datanode.failed.volumes.tolerated=1; }
reconfigure() { # VALUE: of dfs.datanode.data.dir
  sed -i "s|\(<name>dfs.datanode.data.dir</name><value>\)[^<]*|\1$1|" "$dir/dn0.conf/hdfs-site.xml"
  "$dfs" admin -fs "$url" -reconfig datanode "127.0.0.1:$((base + 12))" start >"$scratch/reconfig" 2>&1 || return 1
  wait_until 20 finished || fail "the reconfiguration does not end: $(cat "$scratch/reconfig")"
}
finished() { "$dfs" admin -fs "$url" -reconfig datanode "127.0.0.1:$((base + 12))" status >"$scratch/reconfig" 2>&1; grep -q 'finished' "$scratch/reconfig"; }
live_storages() { # N: of all nodes, as the last heartbeats name them
  [ "$(for p in 11 14; do
    exec 4<>"/dev/tcp/127.0.0.1/$((base + p))"; printf 'GET / HTTP/1.0\r\n\r\n' >&4; grep -o 'class="ok">in use' <&4; exec 4>&-
  done | wc -l)" = "$1" ]
}

"$cluster" namenode "$dir" "$base" || fail "the NameNode does not start"
node "$v/0,[DISK]file://$v/1,$v/2" || fail "the DataNode does not start"
"$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 13)) --name dn1 || fail "the other DataNode does not start"
"$cluster" live "$dir" 2 || fail "not two live DataNodes"
mkdir "$scratch/in"
for ((i = 0; i < files; i++)); do head -c $((9000 + i)) /dev/urandom >"$scratch/in/f$i"; done
"$dfs" -D dfs.replication=2 -fs "$url" -put "$scratch/in" /tree || fail put
wait_until 20 whole "$v" || fail "the blocks are not all in two places"
for i in 0 1 2; do
  n=$(replicas "$v/$i")
  [ "$n" -ge $((files / 3)) ] && [ "$n" -le $((files / 3 + 1)) ] || fail "volume $i has $n of $files replicas"
done

mv "$v/1" "$v/1.away"
gone() { grep -q "a volume is taken out of service path=$v/1 " "$dir/dn0.log"; }
wait_until 10 gone || fail "nobody finds that a volume is away"
wait_until 30 whole "$v/0" "$v/2" || fail "the volume's blocks are not replicated again: $(figure UnderReplicatedBlocks) lack a replica"
live_storages 3 || fail "the volume is still told of"
read_all "with a volume away"
[ "$(figure VolumeFailuresTotal)" = 1 ] || fail "VolumeFailuresTotal is $(figure VolumeFailuresTotal)"

rm -rf "$v/1"; mv "$v/1.away" "$v/1"
if reconfigure "$v/0,[DISK]file://$v/1,$v/2,"; then
  wait_until 10 live_storages 4 || fail "the volume does not come back: $(cat "$scratch/reconfig")"
  reconfigure "$v/0,$v/1,[SSD]$v/3" || fail "the second reconfiguration: $(cat "$scratch/reconfig")"
  wait_until 30 whole "$v/0" "$v/1" "$v/3" || fail "the blocks of a removed volume are not replicated again: $(cat "$scratch/reconfig")"
  read_all "after the swap"
  "$dfs" -D dfs.replication=2 -fs "$url" -put "$scratch/in/f0" /more || fail "put after the swap"
  third=$v/3
else
  grep -q 'Unknown command\|not supported\|Usage' "$scratch/reconfig" || fail "reconfig: $(cat "$scratch/reconfig")"
  kill "$(cat "$dir/dn0.pid")"; sleep 1; rm -f "$dir/dn0.pid"
  node "$v/0,$v/1,$v/2" || fail "the DataNode does not start again"
  wait_until 10 live_storages 4 || fail "the volume does not come back"
  third=$v/2
fi

pid=$(cat "$dir/dn0.pid")
mv "$v/0" "$v/0.away"; mv "$third" "$third.away"
ended() { ! kill -0 "$pid" 2>/dev/null; }
wait_until 20 ended || fail "a DataNode with two volumes away goes on"
[ "$(grep -c 'DataNode is shutting down due to failed volumes' "$dir/dn0.log")" = 1 ] || fail "it stops without one clear line: $(tail -3 "$dir/dn0.log")"
grep -q 'DataNode reports an error' "$dir/nn.log" || fail "the NameNode is not told"
read_all "with one node left"
echo "volumes fail, come back and are swapped"
