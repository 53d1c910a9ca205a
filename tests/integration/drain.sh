#!/usr/bin/env bash
# DataNodes leave the service with writers on them: nothing is lost, the progress is shown, they end "Decommissioned" or
# "In Maintenance"; they come back; a node that isn't named is refused; a bad list changes nothing.
. "$(dirname "$0")/lib.sh"
admin() { "$dfs" admin -fs "$url" "$@"; }
state() { # PORT: the admin state of the node
  admin -report | awk -v name="127.0.0.1:$1" '$1 == "Name:" { mine = ($2 == name) } mine && sub(/^Decommission Status : /, "") { print; exit }'
}
is_state() { [ "$(state "$1")" = "$2" ]; }
figure() { # NAME VALUE: it becomes that; the page is a second old at most
  wait_until 5 eval 'bean FSNamesystemState | grep -q "\"'"$1"'\" : '"$2"'\b"' || fail "$1 is not $2"
}
bean() { curl -sf "http://127.0.0.1:$((base + 1))/jmx?qry=Hadoop:service=NameNode,name=$1"; }
switch_off() { kill -9 "$(cat "$dir/dn$1.pid")"; rm "$dir/dn$1.pid"; sleep 0.5; }
port_of() { echo $((base + 10 + 3 * $1)); }
start_writer() { # N: a pipeline_writer with descriptor 1N for its commands
  mkfifo "$scratch/fifo$1"; : >"$scratch/answers$1"
  "$HADRON_BIN/pipeline_writer" "$url" <"$scratch/fifo$1" >>"$scratch/answers$1" 2>>"$scratch/writer.log" 11>&- 12>&- 13>&- &
  eval "exec 1$1>\"\$scratch/fifo$1\""
}
told() { # N COMMAND..: waits for its answer
  local n=$1 before; shift
  before=$(wc -l <"$scratch/answers$n")
  echo "$@" >&"1$n"
  wait_until 30 eval '[ "$(wc -l <"$scratch/answers$n")" -gt "$before" ]' || fail "no answer to $*"
  tail -n 1 "$scratch/answers$n" | grep -q ^ok || fail "$*: $(tail -n 1 "$scratch/answers$n")"
}
node_of_open() { # the DataNodes that hold a replica being written, one line each
  local i; for ((i = 0; i < $1; i++)); do find "$dir/dn$i.data" -path '*rbw*' -name "blk_${2:-*}" ! -name '*.meta' | sed "s/.*blk_/$i /"; done
}

# --- decommission, with the text files ---
: >"$scratch/exclude"
start_cluster 4 dfs.namenode.decommission.interval=1s dfs.hosts.exclude="$scratch/exclude" dfs.blocksize=1m \
  dfs.namenode.replication.max-streams=20 dfs.namenode.replication.max-streams-hard-limit=40
head -c 12M /dev/urandom >"$scratch/in"
"$dfs" -fs "$url" -Ddfs.replication=2 -put "$scratch/in" /closed || fail "put"
start_writer 1 # the only replica of its block is on the node
told 1 create /alone 1 1048576; told 1 write 300000; told 1 hflush
read -r victim block <<<"$(node_of_open 4)"
start_writer 2 # a pipeline of four, one of them is the node
told 2 create /pipeline 4 1048576; told 2 write 700000; told 2 hflush
told_port=$(port_of "$victim")

echo "127.0.0.1:$told_port 127.0.0.1:99999" >"$scratch/exclude"
admin -refreshNodes 2>"$scratch/error" && fail "a bad list is taken"
grep -q "$scratch/exclude, line 1: \"127.0.0.1:99999\" is neither a host nor host:port" "$scratch/error" || fail "the error of a bad list: $(cat "$scratch/error")"
is_state "$told_port" Normal || fail "a bad list changed a node"
HADOOP_USER_NAME=nobody admin -refreshNodes 2>/dev/null && fail "anybody may refresh the nodes"

printf '# leaving\n  127.0.0.1:%s # the victim\n' "$told_port" >"$scratch/exclude"
admin -refreshNodes >/dev/null || fail "refreshNodes"
is_state "$told_port" "Decommission in progress" || fail "the node is $(state "$told_port")"
wait_until 20 eval 'admin -listOpenFiles -blockingDecommission | grep -q "/alone"' || fail "/alone isn't shown as blocking"
admin -listOpenFiles -blockingDecommission | grep -q /pipeline && fail "/pipeline has three other nodes and blocks nothing"
closed_elsewhere() { bean NameNodeInfo | grep -q '"DecomNodes".*underReplicatedBlocks\\":1,\\"decommissionOnlyReplicas\\":1,\\"underReplicateInOpenFiles\\":1'; }
wait_until 30 closed_elsewhere || fail "one block should be left: $(bean NameNodeInfo | grep DecomNodes)"
figure NumDecommissioningDataNodes 1
admin -report -decommissioning | grep -q "^Decommissioning datanodes (1):" || fail "-report -decommissioning"
is_state "$told_port" "Decommission in progress" || fail "the node left with the only replica of an open block"
told 1 write 100000; told 1 close
wait_until 20 is_state "$told_port" Decommissioned || fail "the node ends $(state "$told_port")"
[ "$(admin -listOpenFiles -blockingDecommission | grep -c ^/)" = 0 ] || fail "something still blocks"
figure NumDecomLiveDataNodes 1
switch_off "$victim"
told 2 write 900000; told 2 close
told 1 verify /alone; told 2 verify /pipeline
"$dfs" -fs "$url" -cat /closed | cmp - "$scratch/in" || fail "/closed after the node is gone"
"$dfs" -fs "$url" -Ddfs.replication=4 -put "$scratch/in" /new || fail "put beside a decommissioned node"

exec 11>&- 12>&-
wait
: >"$scratch/exclude" # back again
"$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port "$told_port" --name "dn$victim" >/dev/null || fail "restart"
admin -refreshNodes >/dev/null || fail "refreshNodes"
wait_until 20 is_state "$told_port" Normal || fail "recommission: $(state "$told_port")"
"$cluster" stop "$dir" & # it takes its time
# --- maintenance, with the JSON file ---
hosts_json() { # DN-INDEX UNTIL_MS: the three nodes, one in maintenance
  local i line
  echo '['
  for i in 0 1 2; do
    line="{\"hostName\": \"127.0.0.1\", \"port\": $(port_of "$i"), \"upgradeDomain\": \"ud$i\""
    [ "$i" = "$1" ] && line+=", \"adminState\": \"IN_MAINTENANCE\", \"maintenanceExpireTimeInMS\": $2"
    echo "  $line}$([ "$i" = 2 ] || echo ,)"
  done
  echo ']'
} >"$scratch/hosts.json"
base=$(free_base); dir=$scratch/cluster1; clusters+=("$dir")
hosts_json none 0
url=$("$cluster" start "$dir" 3 "$base" dfs.namenode.decommission.interval=1s dfs.hosts="$scratch/hosts.json" dfs.blocksize=1m \
  dfs.namenode.heartbeat.recheck-interval=500 dfs.namenode.replication.max-streams=20 dfs.namenode.stale.datanode.interval=3000 \
  dfs.namenode.hosts.provider.classname=org.apache.hadoop.hdfs.server.blockmanagement.CombinedHostFileManager) || fail "the second cluster"
"$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 30)) --name stranger --no-wait
refused() { grep -qs "is not in the include-list" "$dir/stranger.log" && ! kill -0 "$(cat "$dir/stranger.pid")" 2>/dev/null; }
wait_until 20 refused || fail "a node that isn't listed is not refused: $(tail -n 2 "$dir/stranger.log")"
"$dfs" -fs "$url" -Ddfs.replication=2 -put "$scratch/in" /closed || fail "put"
start_writer 3
told 3 create /alone 1 1048576; told 3 write 300000; told 3 hflush
read -r victim block <<<"$(node_of_open 3)"
told_port=$(port_of "$victim")
hosts_json "$victim" 9000000000000
admin -refreshNodes >/dev/null || fail "refreshNodes"
is_state "$told_port" "Entering maintenance" || fail "the node is $(state "$told_port")"
wait_until 20 eval 'admin -listOpenFiles -blockingDecommission | grep -q "/alone"' || fail "/alone isn't shown as blocking maintenance"
wait_until 5 eval 'bean NameNodeInfo | grep -q "\"EnteringMaintenanceNodes\".*maintenanceOnlyReplicas"' || fail "EnteringMaintenanceNodes"
figure NumEnteringMaintenanceDataNodes 1
told 3 close; told 3 verify /alone
wait_until 20 is_state "$told_port" "In maintenance" || fail "the node ends $(state "$told_port")"
admin -report -inmaintenance | grep -q "^In maintenance datanodes (1):" || fail "-report -inmaintenance"
replicas() { find "$dir"/dn*.data -path '*finalized*' -name 'blk_*' ! -name '*.meta' ! -path "$dir/dn$victim.data/*" | wc -l; }
before=$(replicas)
exec 13>&-
wait
switch_off "$victim"
dead() { bean FSNamesystemState | grep -q '"NumInMaintenanceDeadDataNodes" : 1'; }
wait_until 30 dead || fail "the node that was switched off isn't found dead"
sleep 2
[ "$(replicas)" = "$before" ] || fail "$(($(replicas) - before)) replicas were copied although their node is in maintenance"
"$dfs" -fs "$url" -cat /closed | cmp - "$scratch/in" || fail "/closed while a node is in maintenance"
"$dfs" -fs "$url" -cat /alone >"$scratch/alone" && [ "$(stat -c %s "$scratch/alone")" = 300000 ] || fail "/alone while a node is in maintenance"
hosts_json "$victim" "$(($(date +%s%3N) + 2000))" # time is over soon, and then its replicas are missed
admin -refreshNodes >/dev/null || fail "refreshNodes"
is_state "$told_port" "In maintenance" || fail "maintenance ended early"
wait_until 10 is_state "$told_port" Normal || fail "maintenance doesn't end by itself"
healed() { bean FSNamesystem | grep -q '"UnderReplicatedBlocks" : 0' && [ "$(replicas)" -ge 25 ]; }
wait_until 30 healed || fail "after the end of maintenance $(replicas) of 25 replicas are on the two others"
