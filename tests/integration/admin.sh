#!/usr/bin/env bash
# Administration of running servers: Hadoop's dfsadmin and ours say the same of our servers, and of a real NameNode and DataNode;
# writers survive an eviction and a planned restart; settings change while servers run.
. "$(dirname "$0")/lib.sh"
at_end() { "$peer" stop "$scratch/real" 2>/dev/null; }
javac -cp "$("$peer" classpath)" -d "$scratch" "$here/ShellLines.java" || fail "javac"

# Lines: [user=NAME] words; DN, NN: the addresses of RPC ports, POOL the block pool
lines() { cat <<'LINES'
-getDatanodeInfo DN
-getVolumeReport DN
-getBalancerBandwidth DN
-setBalancerBandwidth 7m
-triggerBlockReport DN
-triggerBlockReport -incremental DN
-triggerBlockReport -incremental DN -namenode NN
-triggerBlockReport -incremental
-triggerBlockReport DN more
-triggerBlockReport
-refreshNamenodes DN
-refreshNamenodes
-evictWriters DN
-deleteBlockPool DN POOL
-deleteBlockPool DN POOL force
-deleteBlockPool DN POOL now
-deleteBlockPool DN
-getDatanodeInfo
-getVolumeReport
-getBalancerBandwidth
-shutdownDatanode DN now
-shutdownDatanode
-reconfig namenode NN status
-reconfig datanode livenodes start
-reconfig namenode livenodes start
-reconfig journalnode NN start
-reconfig journalnode NN properties
-reconfig namenode NN nonsense
-reconfig namenode NN
-refresh NN something
-refresh NN
-refreshServiceAcl
-refreshUserToGroupsMappings
-refreshSuperUserGroupsConfiguration
-listOpenFiles
-listOpenFiles -path /nothing
-listOpenFiles -blockingDecommission
-metasave meta.text
user=eve -evictWriters DN
user=eve -triggerBlockReport DN
user=eve -getVolumeReport DN
user=eve -getDatanodeInfo DN
user=eve -getBalancerBandwidth DN
user=eve -refreshNamenodes DN
user=eve -deleteBlockPool DN POOL
user=eve -shutdownDatanode DN
user=eve -reconfig datanode DN start
user=eve -reconfig namenode NN start
user=eve -reconfig namenode NN properties
user=eve -setBalancerBandwidth 1
user=eve -metasave meta.text
LINES
}
same_servers_only() { printf '%s\n' '-reconfig datanode DN properties' '-reconfig namenode NN properties' '-refreshCallQueue'; }

mask() { sed -E 's/(Reconfiguring status for node \[[^]]*\]): /\1:\n/g; s/[A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]{2} [0-9:]{8} [A-Z]+ [0-9]{4}/DATE/g; s/[0-9.]+ ?[KMGTP]?B\)/SIZE)/; s/^(Capacity (Used|Left)|Uptime): [0-9]+/\1: N/; /^\tat /d; s/\.+$//; /^$/d' "$@" | sort; }

run_both() { # NAME URL LINES: Hadoop's and ours against the same servers
  local n=0 user words
  mkdir -p "$scratch/$1.theirs" "$scratch/$1.ours"
  sed "s|^user=\([^ ]*\) |\1\t\t|; t done; s|^|\t\t|; :done" "$3" | sed "s|\t\t|\t\tdfsadmin |; s| |\t|g" >"$scratch/java.lines"
  HADOOP_PEER_CP=$scratch "$peer" class ShellLines "$2" "$scratch/java.lines" "$scratch/$1.theirs" >"$scratch/java.log" 2>&1 || fail "ShellLines: $(tail -3 "$scratch/java.log")"
  while read -r words; do
    n=$((n + 1)); user=
    case $words in user=*) user=${words#user=}; user=${user%% *}; words=${words#* } ;; esac
    # shellcheck disable=SC2086
    env ${user:+HADOOP_USER_NAME=$user} "$dfs" admin -fs "$2" $words >"$scratch/$1.ours/$n.out" 2>"$scratch/$1.ours/$n.err" </dev/null
    echo $? >"$scratch/$1.ours/$n.rc"
  done <"$3"
}
compare() { # NAME LINES
  local n=0 words part bad=0
  while read -r words; do
    n=$((n + 1))
    for part in out err rc; do
      mask "$scratch/$1.theirs/$n.$part" >"$scratch/theirs"; mask "$scratch/$1.ours/$n.$part" >"$scratch/ours"
      [ $part = rc ] && sed -i 's/^-1$/255/' "$scratch/theirs"
      cmp -s "$scratch/theirs" "$scratch/ours" || { bad=1; echo "$1: $words: $part:"; diff "$scratch/theirs" "$scratch/ours"; } >&2
    done
  done <"$2"
  [ $bad = 0 ] || fail "$1: the answers differ"
}
fill() { sed "s|DN|$1|g; s|NN|$2|g; s|POOL|$3|g"; }

export HADOOP_LOG_DIR=$scratch
start_cluster 3 dfs.replication=2
dn=127.0.0.1:$((base + 12)) nn=127.0.0.1:$base
pool=$(sed -n 's/^blockpoolID=//p' "$dir/name/current/VERSION")
{ lines; same_servers_only; } | fill "$dn" "$nn" "$pool" >"$scratch/lines"
bandwidth() { "$dfs" admin -getBalancerBandwidth "$dn" | grep -q "is $1 bytes"; }
"$dfs" admin -fs "$url" -setBalancerBandwidth 7m >/dev/null; wait_until 10 bandwidth 7340032 || fail "the bandwidth did not reach the DataNode"
run_both ours "$url" "$scratch/lines"
compare ours "$scratch/lines"
grep -q '^Metasave: Number of datanodes: 3$' "$scratch/meta.text" || fail "metasave: $(cat "$scratch/meta.text")"

# (Hadoop's threads mix their lines here)
"$dfs" admin -fs "$url" -reconfig datanode livenodes status | grep -q '^Retrieval of reconfiguration status successful on 3 nodes, failed on 0 nodes.$' || fail "status of live nodes"

# --- settings ---
change() { sed -i "s|</configuration>|<property><name>$2</name><value>$3</value></property></configuration>|" "$dir/$1.conf/hdfs-site.xml"; }
finished() { "$dfs" admin -reconfig "$1" "$2" status >"$scratch/status" && grep -q 'and finished at' "$scratch/status"; }
reconfig() { # KIND ADDRESS
  "$dfs" admin -reconfig "$1" "$2" start >/dev/null || fail "reconfig $1 start"
  wait_until 10 finished "$1" "$2" || fail "reconfig $1: $(cat "$scratch/status")"
}
says() { tr '\n\t' '  ' <"$scratch/status" | grep -qF "$1" || fail "reconfig: \"$1\" is not in $(cat "$scratch/status")"; }
"$dfs" -fs "$url" -mkdir -p /kept/in || fail "mkdir"
change nn fs.protected.directories /kept; change nn dfs.blocksize 1m; change nn dfs.namenode.replication.max-streams many
reconfig namenode "$nn"
says 'SUCCESS: Changed property fs.protected.directories  From: ""  To: "/kept"'
says 'FAILED: Change property dfs.blocksize  From: "128m"  To: "1m"  Error: Property dfs.blocksize is not reconfigurable.'
says 'FAILED: Change property dfs.namenode.replication.max-streams  From: "2"  To: "many"'
"$dfs" -fs "$url" -rm -r -skipTrash /kept 2>/dev/null && fail "a protected directory was deleted"
mkdir -p "$dir/more"; chmod 700 "$dir/more"
change dn0 dfs.datanode.data.dir "$dir/dn0.data,$dir/more"; change dn0 dfs.datanode.balance.bandwidthPerSec 3m
reconfig datanode "$dn"
says 'SUCCESS: Changed property dfs.datanode.balance.bandwidthPerSec  From: "100m"  To: "3m"'
says 'SUCCESS: Changed property dfs.datanode.data.dir'
bandwidth 3145728 || fail "the new bandwidth is not in force"
"$dfs" admin -getVolumeReport "$dn" | grep -q 'Active Volumes : 2' || fail "the new volume is not there"

# --- writers ---
writer() { # COMMAND: its answer
  local line; echo "$*" >&"${W[1]}"; read -r -t 60 line <&"${W[0]}" || fail "writer, $*: no answer"
  case $line in ok*) ;; *) fail "writer, $*: $line" ;; esac
}
coproc W { exec "$HADRON_BIN/pipeline_writer" "$url" 2>"$scratch/writer"; }
writer create /evicted 2 67108864
writer write 1000000; writer hflush
for i in 0 1 2; do "$dfs" admin -evictWriters 127.0.0.1:$((base + 12 + 3 * i)) >/dev/null || fail evictWriters; sleep 0.3; [ $i = 1 ] && break; done
writer write 1000000; writer hflush; writer close; writer verify /evicted
stamps() { ls "$dir"/dn?.data/current/BP-*/current/finalized/*/*/*.meta | sed 's/.*_\([0-9]*\)\.meta/\1/' | sort -n | tail -1; }
[ "$(stamps)" -gt 1001 ] || fail "nobody was evicted: the block has its first stamp"

writer create /restarted 3 67108864
writer write 1000000; writer hflush
"$dfs" admin -shutdownDatanode "$dn" upgrade | grep -q "^Submitted a shutdown request to datanode $dn$" || fail "shutdownDatanode"
gone() { ! kill -0 "$(cat "$dir/dn0.pid")" 2>/dev/null; }
wait_until 20 gone || fail "the DataNode does not stop"
[ -n "$(find "$dir/dn0.data" "$dir/more" -name '*.restart')" ] || fail "the open replica is not marked for a restart"
HADOOP_CONF_DIR=$dir/dn0.conf setsid "$HADRON_BIN/dfs-datanode" >>"$dir/dn0.log" 2>&1 </dev/null &
echo $! >"$dir/dn0.pid"
writer write 1000000; writer close; writer verify /restarted
"$dfs" admin -shutdownDatanode "$dn" >/dev/null || { sleep 2; "$dfs" admin -shutdownDatanode "$dn" >/dev/null; } || fail "shutdownDatanode"
wait_until 20 gone || fail "the DataNode does not stop"

# --- a real NameNode and DataNode ---
real=$(HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1" "$peer" start "$scratch/real" 1 "$(free_base)") || fail "the real cluster does not start"
port=${real##*:}
pool=$(sed -n 's/^blockpoolID=//p' "$(find "$scratch/real" -path '*current/VERSION' | xargs grep -l blockpoolID | head -1)")
lines | grep -v '^-getBalancerBandwidth\|^-setBalancerBandwidth 7m' | fill "127.0.0.1:$((port + 12))" "127.0.0.1:$port" "$pool" >"$scratch/real.lines"
run_both real "$real" "$scratch/real.lines"
compare real "$scratch/real.lines"
echo "admin: $(wc -l <"$scratch/lines") lines equal on our servers, $(wc -l <"$scratch/real.lines") on real ones"
