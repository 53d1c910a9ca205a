#!/usr/bin/env bash
# Six DataNodes on three racks that a script names: blocks are on two racks, also after one is lost; what had to be written on one rack
# is spread again when another is back, without replicas too many; a node at another depth is refused. Then storage policies.
. "$(dirname "$0")/lib.sh"
dir=$scratch/cluster0 base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
bean() { curl -sf "http://127.0.0.1:$((base + 1))/jmx?qry=Hadoop:service=NameNode,name=$1"; }
figure() { bean FSNamesystemState | sed -n "s/.*\"$1\" : \([0-9]*\).*/\1/p"; }
node() { # N: comes from the address 127.0.1.N+1
  local at=127.0.1.$(($1 + 1)) port=$((base + 10 + 3 * $1))
  env LD_PRELOAD="$HADRON_BIN/bind_from.so" BIND_FROM="$at" ASAN_OPTIONS="verify_asan_link_order=0:${ASAN_OPTIONS:-}" \
    "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port "$port" --name "dn$1" --no-wait "dfs.datanode.address=$at:$port" \
    "dfs.datanode.ipc.address=$at:$((port + 2))" "dfs.datanode.http.address=$at:$((port + 1))" "dfs.datanode.hostname=$at" || fail "dn$1 does not start"
}
off() { local i; for i in "$@"; do kill -9 "$(cat "$dir/dn$i.pid")"; rm "$dir/dn$i.pid"; done; }
spread() { # REPLICAS: every block has so many, on two racks; nothing is on its way
  local i
  [ "$(figure UnderReplicatedBlocks)" = 0 ] && [ "$(figure PendingReplicationBlocks)" = 0 ] && [ "$(figure PendingDeletionBlocks)" = 0 ] || return 1
  for i in $nodes; do find "$dir/dn$i.data" -path '*finalized*' -name 'blk_*' ! -name '*.meta' | sed "s,.*/,$((i / 2)) ,"; done |
    awk -v blocks="$blocks" -v replicas="$1" '{ n[$2]++; if (!(($1, $2) in seen)) { seen[$1, $2]; racks[$2]++ } }
      END { for (b in n) { all++; if (n[b] != replicas || racks[b] != 2) exit 1 } exit all != blocks }'
}
read_all() { "$dfs" -fs "$url" -cat "$1/*" | cmp -s - "$scratch/bytes" || fail "other bytes are read from $1"; }

cat >"$scratch/rack" <<'SCRIPT'
#!/bin/sh
case $1 in
127.0.1.[12]) echo /dc/r1 ;;
127.0.1.[34]) echo /dc/r2 ;;
127.0.1.[56]) echo /dc/r3 ;;
127.0.1.7) cat "$0.odd" ;;
127.0.0.1) echo /dc/client ;;
esac
SCRIPT
chmod +x "$scratch/rack"; echo /r7 >"$scratch/rack.odd"
"$cluster" namenode "$dir" "$base" net.topology.script.file.name="$scratch/rack" dfs.namenode.heartbeat.recheck-interval=500 \
  dfs.namenode.replication.max-streams=20 dfs.namenode.replication.max-streams-hard-limit=40 \
  dfs.namenode.replication.work.multiplier.per.iteration=20 || fail "the NameNode does not start"
nodes="0 1 2 3 4 5"
for i in $nodes; do node "$i"; done
"$cluster" live "$dir" 6 || fail "not six live DataNodes"
"$dfs" admin -fs "$url" -printTopology >"$scratch/topology" || fail "-printTopology"
for i in 1 2 3; do
  [ "$(grep -A2 "^Rack: /dc/r$i\$" "$scratch/topology" | grep -c "^ *127\.0\.1\.\($((2 * i - 1))\|$((2 * i))\):")" = 2 ] || fail "the racks are $(cat "$scratch/topology")"
done

node 6
wait_until 20 grep -q 'Failed to add /r7/127.0.1.7:[0-9]*: You cannot have a rack and a non-rack node at the same level' "$dir/nn.log" "$dir/dn6.log" ||
  fail "a node at another depth is not refused"
[ "$("$dfs" admin -fs "$url" -report -live | grep -c "^Name: ")" = 6 ] || fail "it joined all the same"
off 6

mkdir "$scratch/in"; blocks=30
for ((i = 10; i < 10 + blocks; i++)); do head -c 20000 /dev/urandom >"$scratch/in/f$i"; done
cat "$scratch"/in/* >"$scratch/bytes"
"$dfs" -fs "$url" -Ddfs.replication=3 -put "$scratch/in" /three || fail put
wait_until 20 spread 3 || fail "blocks are not on two racks each"

off 0 1
nodes="2 3 4 5"
wait_until 30 eval '[ "$(figure NumLiveDataNodes)" = 4 ] && spread 3' || fail "not on two racks again after one was lost: $(bean FSNamesystemState)"
read_all /three

off 2 3
wait_until 20 eval '[ "$(figure NumLiveDataNodes)" = 2 ]' || fail "the dead nodes are not found"
"$dfs" -fs "$url" -rm -r -skipTrash /three >/dev/null || fail rm
"$dfs" -fs "$url" -Ddfs.replication=2 -put "$scratch/in" /two || fail "put on one rack"
node 2; node 3; node 0; node 1
nodes="0 1 2 3 4 5"
wait_until 30 spread 2 || fail "the second rack is back, but blocks are not on two: $(bean FSNamesystemState)"
no_surplus() { [ "$(bean FSNamesystem | sed -n 's/.*"ExcessBlocks" : \([0-9]*\).*/\1/p')" = 0 ]; }
wait_until 10 no_surplus || fail "surplus is left"
read_all /two
"$cluster" stop "$dir"

# --- storage policies ---
dir=$scratch/cluster1 base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
"$cluster" namenode "$dir" "$base" || fail "the NameNode does not start"
for i in 0 1 2; do
  d=$dir/dn$i.data
  "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name "dn$i" \
    "dfs.datanode.data.dir=[DISK]file://$d/disk,[SSD]file://$d/ssd,[ARCHIVE]file://$d/archive" || fail "dn$i does not start"
done
"$cluster" live "$dir" 3 || fail "not three live DataNodes"
on() { find "$dir"/dn?.data/"$1" -path '*finalized*' -name 'blk_*' ! -name '*.meta' | wc -l; }
before="0 0 0"
check() { # POLICY DISK SSD ARCHIVE: replicas that a file of one block adds
  local now
  "$dfs" -fs "$url" -mkdir "/$1" && "$HADRON_BIN/hdfs" storagepolicies -fs "$url" -setStoragePolicy -path "/$1" -policy "$1" >/dev/null || fail "policy $1"
  "$dfs" -fs "$url" -Ddfs.replication=3 -put "$scratch/in/f10" "/$1/f" || fail "put with $1"
  all_there() { [ $(($(on disk) + $(on ssd) + $(on archive))) = $(($(tr ' ' + <<<"$before") + 3)) ]; }
  wait_until 5 all_there || fail "$1: not three replicas"
  now="$(on disk) $(on ssd) $(on archive)"
  read -r a b c <<<"$before"; read -r d e f <<<"$now"
  [ "$((d - a)) $((e - b)) $((f - c))" = "$2 $3 $4" ] || fail "$1: $((d - a)) on disks, $((e - b)) on SSDs, $((f - c)) in archives"
  before=$now
}
check HOT 3 0 0
check COLD 0 0 3
check WARM 1 0 2
check ONE_SSD 2 1 0
check ALL_SSD 0 3 0
echo "ok: racks kept, restored and shown; storage policies honoured"
