#!/usr/bin/env bash
# Heartbeats that hang: a DataNode with a lifeline stays live, ours and one of a real Hadoop, and one without it dies; when
# heartbeats come through again all are live. The way of the heartbeats is a relay that is stopped.
. "$(dirname "$0")/lib.sh"
dir=$scratch/cluster; base=$(free_base); clusters+=("$dir"); url=hdfs://127.0.0.1:$base
relay=
at_end() {
  [ -n "$relay" ] && { kill -9 "$relay"; wait "$relay"; } 2>/dev/null
  "$peer" stop "$dir/java" 2>/dev/null
}
count() { "$dfs" admin -fs "$url" -report "-$1" | sed -n 's/^\(Live\|Dead\) datanodes (\([0-9]*\)).*/\2/p'; }
is_count() { [ "$(count "$1")" = "$2" ]; }
silent() { # PORT: seconds since the NameNode heard of the node
  curl -sf "http://127.0.0.1:$((base + 1))/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo" |
    grep -o "127.0.0.1:$1[^}]*lastContact[^0-9]*[0-9]*" | grep -o '[0-9]*$'
}

lifeline=dfs.namenode.lifeline.rpc-address=127.0.0.1:$((base + 2))
quick="$lifeline dfs.datanode.lifeline.interval.seconds=2"
"$cluster" namenode "$dir" "$base" "$lifeline" dfs.namenode.heartbeat.recheck-interval=100 || fail "the NameNode does not start"
"$HADRON_BIN/relay" $((base + 3)) "$base" & relay=$!
"$peer" datanode "$dir/java" --namenode "127.0.0.1:$((base + 3))" --port $((base + 40)) --name dn2 --no-wait $quick || fail "the Java DataNode does not start"
"$cluster" datanode "$dir" --namenode "127.0.0.1:$((base + 3))" --port $((base + 10)) --name dn0 $quick
"$cluster" datanode "$dir" --namenode "127.0.0.1:$((base + 3))" --port $((base + 13)) --name dn1
"$cluster" live "$dir" 3 || fail "the DataNodes do not register"

kill -STOP "$relay"
wait_until 20 is_count dead 1 || fail "without a lifeline nobody dies: $(count live) live, $(count dead) dead"
is_count live 2 || fail "$(count live) nodes live by their lifelines"
"$dfs" admin -fs "$url" -report -dead | grep -q "^Name: 127.0.0.1:$((base + 13))" || fail "another node than that without a lifeline is dead"
sleep 2
is_count live 2 || fail "only $(count live) nodes stay live"
for port in $((base + 10)) $((base + 40)); do
  seconds=$(silent "$port")
  [ "${seconds:-99}" -le 4 ] || fail "nothing was heard of $port for ${seconds:-?} s"
done

kill -CONT "$relay"
wait_until 15 is_count live 3 || fail "when heartbeats come through again only $(count live) are live"
head -c 300k /dev/urandom >"$scratch/in"
"$dfs" -fs "$url" -Ddfs.replication=3 -put "$scratch/in" /after || fail "put"
"$dfs" -fs "$url" -cat /after | cmp - "$scratch/in" || fail "/after"
