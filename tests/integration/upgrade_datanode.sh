#!/usr/bin/env bash
# -upgrade of a whole cluster: DataNodes keep the state before by hard links, ours and a Java one go on on what the other upgraded, a
# rollback gives back every block of before, finalizing drops it.
. "$(dirname "$0")/lib.sh"
dir=$scratch/cluster0 base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
nn=$HADRON_BIN/dfs-namenode dn_port=$((base + 10)) data=$dir/dn0.data
at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
export HADOOP_PEER_HEAP=256m HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
stop() { # FOLDER NAME
  local pid; pid=$(cat "$1/$2.pid"); kill "$pid"
  wait_until 20 eval "! kill -0 $pid 2>/dev/null" || fail "$2 does not stop"
  rm -f "$1/$2.pid"
}
namenode() { # [-upgrade]
  HADOOP_CONF_DIR=$dir/nn.conf setsid "$nn" "$@" >>"$dir/nn.log" 2>&1 </dev/null &
  echo $! >"$dir/nn.pid"
  wait_until 20 listening "$base" || fail "the NameNode does not start: $(tail -1 "$dir/nn.log")"
}
ours() { # [-rollback]
  HADOOP_CONF_DIR=$dir/dn0.conf setsid "$HADRON_BIN/dfs-datanode" "$@" >>"$dir/dn0.log" 2>&1 </dev/null &
  echo $! >"$dir/dn0.pid"
  "$cluster" live "$dir" 1 || fail "our DataNode does not register: $(tail -2 "$dir/dn0.log")"
}
theirs() {
  ln -sfn "$data" "$dir/java/dn0.data" # the folder stays where it is
  "$peer" datanode "$dir/java" --namenode "127.0.0.1:$base" --port "$dn_port" --name dn0 >/dev/null && "$cluster" live "$dir" 1 ||
    fail "the Java DataNode does not register: $(grep -m1 -A3 'ERROR\|Exception' "$dir/java/dn0.log")"
}
put() { "$dfs" -D dfs.replication=1 -fs "$url" -put "$@" 2>"$scratch/err" || fail "put $*: $(cat "$scratch/err")"; }
same() { # WHAT FILE LOCAL: the whole of it is read
  "$dfs" -fs "$url" -cat "$2" 2>"$scratch/err" | cmp -s - "$3" || fail "$1: $2 has other bytes $(head -1 "$scratch/err")"
}
all_same() { local i; for i in 0 1 2 3 4 5; do same "$1" "/tree/f$i" "$scratch/in/f$i"; done; }
previous() { find "$data/current" -mindepth 2 -maxdepth 2 -name "$1"; }
kept() { [ "$(previous previous | wc -l)" = 1 ] || fail "$1: no state before is kept"; }
dropped() { [ "$(previous 'previous*' | wc -l)" = 0 ] && [ "$(previous finalized.tmp | wc -l)" = 0 ]; }

"$cluster" namenode "$dir" "$base" || fail "the NameNode does not start"
"$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port "$dn_port" || fail "our DataNode does not start"
"$cluster" live "$dir" 1 || fail "our DataNode does not register"
mkdir "$scratch/in" "$dir/java"
for i in 0 1 2 3 4 5; do head -c $((70000 + i)) /dev/urandom >"$scratch/in/f$i"; done
put "$scratch/in" /tree
stop "$dir" dn0; stop "$dir" nn

# ours upgrades; a Java DataNode goes on; ours goes back
namenode -upgrade
ours
kept "ours upgraded"
all_same "upgraded by ours"
"$dfs" -fs "$url" -appendToFile "$scratch/in/f1" /tree/f0 || fail "append"
"$dfs" -fs "$url" -truncate -w 100 /tree/f2 >/dev/null || fail "truncate"
"$dfs" -fs "$url" -rm -skipTrash /tree/f1 >/dev/null || fail "rm"
put "$scratch/in/f3" /later
stop "$dir" dn0
theirs
same "Java on what ours upgraded" /later "$scratch/in/f3"
same "Java on what ours upgraded" /tree/f0 <(cat "$scratch/in/f0" "$scratch/in/f1")
kept "Java on what ours upgraded"
stop "$dir/java" dn0; stop "$dir" nn
echo Y | HADOOP_CONF_DIR=$dir/nn.conf "$nn" -rollback 2>"$scratch/err" || fail "rollback: $(cat "$scratch/err")"
namenode
HADOOP_CONF_DIR=$dir/dn0.conf timeout 20 "$HADRON_BIN/dfs-datanode" >"$scratch/refused" 2>&1
grep -q 'is newer than the namespace state' "$scratch/refused" || fail "a DataNode that wasn't rolled back is not refused: $(tail -2 "$scratch/refused")"
ours -rollback
all_same "rolled back"
dropped || fail "rolled back: the state before is still there"
stop "$dir" dn0; stop "$dir" nn

# a Java DataNode upgrades; ours goes on, and finalizes
namenode -upgrade
theirs
kept "Java upgraded"
stop "$dir/java" dn0
ours
all_same "ours on what Java upgraded"
"$dfs" -fs "$url" -appendToFile "$scratch/in/f1" /tree/f0 || fail "append"
for i in 0 1 2 3 4 5; do cksum <"$scratch/in/f$i"; done | sort >"$scratch/want"
find "$(previous previous)" -path '*finalized*' -name 'blk_*' ! -name '*.meta' -exec cksum {} + | cut -d' ' -f1,2 | sort | cmp -s - "$scratch/want" ||
  fail "an append changed what is kept of before"
"$dfs" admin -fs "$url" -finalizeUpgrade >/dev/null || fail finalizeUpgrade
"$dfs" admin -fs "$url" -triggerBlockReport "127.0.0.1:$((dn_port + 2))" >/dev/null 2>&1 || { stop "$dir" dn0; ours; }
wait_until 20 dropped || fail "finalizing drops nothing: $(previous '*')"
same "finalized" /tree/f0 <(cat "$scratch/in/f0" "$scratch/in/f1")
echo "DataNodes upgraded by ours and by Java, rolled back, finalized"
