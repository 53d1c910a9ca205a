#!/usr/bin/env bash
# -upgrade, -rollback, finalizing and -importCheckpoint: what ours upgraded serves under a real NameNode, what that upgraded under
# ours, and a rollback gives the state of before.
. "$(dirname "$0")/lib.sh"
dir=$scratch/nn; base=$(free_base); clusters+=("$dir"); url=hdfs://127.0.0.1:$base
java_pid= nn=$HADRON_BIN/dfs-namenode
at_end() { stop_java; }
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$base") 2>/dev/null; }
start_java() { # [-upgrade]
  HADOOP_PEER_CP=$dir/nn.conf setsid "$peer" class org.apache.hadoop.hdfs.server.namenode.NameNode "$@" >>"$dir/java.log" 2>&1 </dev/null &
  java_pid=$!
  wait_until 60 listening || fail "the real NameNode does not start: $(grep -m1 -A3 'ERROR\|Exception' "$dir/java.log")"
}
stop_java() { [ -z "$java_pid" ] || { kill "$java_pid"; wait "$java_pid"; java_pid=; } 2>/dev/null; }
start_ours() { # [-upgrade ..]
  HADOOP_CONF_DIR=$dir/nn.conf setsid "$nn" "$@" >>"$dir/nn.log" 2>&1 </dev/null &
  echo $! >"$dir/nn.pid"
  wait_until 20 listening || fail "our NameNode does not start: $(tail -1 "$dir/nn.log")"
}
gone() { ! kill -0 "$1" 2>/dev/null; }
stop_ours() {
  local p; p=$(cat "$dir/nn.pid")
  kill "$p"; wait_until 20 gone "$p" || fail "our NameNode does not stop"
}
tool() { HADOOP_CONF_DIR=$dir/nn.conf "$nn" "$@" 2>"$scratch/err"; }
make() { "$dfs" mkdir "$url$1" 2>"$scratch/err" || fail "mkdir $1: $(cat "$scratch/err")"; }
names() { # EXPECTED WHAT
  local got; got=$("$dfs" ls -C "$url/" 2>"$scratch/err" | sed "s|^hdfs://[^/]*||" | tr '\n' ' ')
  [ "$got" = "$1 " ] || fail "$2: \"$got\", not \"$1\" $(head -1 "$scratch/err")"
}
open_upgrade() { "$dfs" admin -fs "$url" -upgrade query 2>&1 | grep -q 'not finalized' || fail "$1: the upgrade should be open"; }

"$cluster" namenode "$dir" "$base" >/dev/null || fail "our NameNode does not start"
make /before
stop_ours

start_ours -upgrade
open_upgrade ours
make /ours
stop_ours
tool -upgradeOnly && fail "a second upgrade was allowed"
grep -q 'Finalize or rollback first' "$scratch/err" || fail "the second upgrade: $(cat "$scratch/err")"
start_java
open_upgrade "the real one"
make /java
names "/before /java /ours" "the real NameNode on what ours upgraded"
stop_java
echo N | tool -rollback && fail "a rollback that nobody wanted"
echo Y | tool -rollback || fail "rollback: $(cat "$scratch/err")"
start_ours
names /before "ours after its rollback"
stop_ours

start_java -upgrade
make /upgraded
stop_java
start_ours
open_upgrade "ours behind the real one's"
names "/before /upgraded" "ours on what the real NameNode upgraded"
"$dfs" admin -fs "$url" -finalizeUpgrade >/dev/null || fail finalizeUpgrade
[ ! -e "$dir/name/previous" ] || fail "previous/ is still there"
"$dfs" admin -fs "$url" -upgrade query | grep -q 'not finalized' && fail "the upgrade should be finalized"
stop_ours
echo Y | tool -rollback && fail "a rollback after finalizing"
[ "$(tool -metadataVersion | tr '\n' ' ')" = "HDFS Image Version: -67 Software format version: -67 " ] || fail "-metadataVersion"

sed -i 's/^layoutVersion=.*/layoutVersion=-66/' "$dir/name/current/VERSION"
tool && fail "an older layout was taken"
grep -q 'restart NameNode with the "-upgrade" option' "$scratch/err" || fail "older layout: $(cat "$scratch/err")"
tool -upgradeOnly || fail "upgrade of the older layout: $(cat "$scratch/err")"
grep -q '^layoutVersion=-67' "$dir/name/current/VERSION" || fail "VERSION keeps the older layout"

mkdir "$scratch/empty"
sed -i "s|file://$dir/name|file://$scratch/empty|; s|</configuration>|<property><name>dfs.namenode.checkpoint.dir</name><value>file://$dir/name</value></property></configuration>|" "$dir/nn.conf/hdfs-site.xml"
start_ours -importCheckpoint
names "/before /upgraded" "ours after the import"
stop_ours
start_java
names "/before /upgraded" "the real NameNode on what ours imported"
stop_java
tool -importCheckpoint && fail "an import over an image"
echo "upgraded by ours and by the real NameNode, rolled back, finalized, imported"
