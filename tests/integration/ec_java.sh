#!/usr/bin/env bash
# Hadoop's own client writes and reads erasure coded files on our NameNode and five of our DataNodes (RS-3-2): lengths around
# cells, stripes and groups; over a restart from the journal and one from an image; with two DataNodes dead; and a real
# NameNode serves the same files from our name directory, and ours what that one made of it.
. "$(dirname "$0")/lib.sh"
policy=RS-3-2-1024k cell=1048576 block=2097152
hdfs() { "$peer" dfs "$url" -Ddfs.blocksize=$block -Ddfs.client.socket-timeout=20000 "$@" 2>"$scratch/err" || { grep -v WARN "$scratch/err" >&2; fail "hdfs dfs $*"; }; }
back() { # WHAT: all files of /ec and their bytes
  rm -rf "$scratch/back"; mkdir "$scratch/back"
  hdfs -get /ec "$scratch/back/"
  diff -r "$scratch/in" "$scratch/back/ec" >"$scratch/diff" || fail "$1: $(head -3 "$scratch/diff")"
}
tree() { "$dfs" -fs "$url" -ls -R / >"$scratch/$1" && "$dfs" -fs "$url" -du / >>"$scratch/$1" && "$dfs" -fs "$url" -count -q / >>"$scratch/$1" || fail "-ls, -du, -count"; }
same_tree() { cmp -s "$scratch/$1" "$scratch/$2" || fail "$3: $(diff "$scratch/$1" "$scratch/$2" | head -4)"; }
groups() { "$dfs" admin -fs "$url" -report 2>/dev/null | sed -n "/Erasure Coded Block Groups/,/^\$/s/^[[:space:]]*$1: //p"; }
none() { [ "$(groups 'Low redundancy block groups')" = 0 ] && [ "$(groups 'Missing block groups')" = 0 ]; }

start_cluster 5 dfs.namenode.ec.system.default.policy=$policy dfs.namenode.heartbeat.recheck-interval=2000
mkdir "$scratch/in"
for length in 0 1 $((cell - 1)) $cell $((cell + 1)) $((3 * cell - 1)) $((3 * cell)) $((3 * cell + 1)) $((3 * block - 1)) $((3 * block)) \
  $((3 * block + 1)) $((6 * block + 2 * cell + 7)); do
  head -c "$length" /dev/urandom >"$scratch/in/f$length"
done
hdfs -mkdir /ec /plain
"$peer" ec "$url" -setPolicy -path /ec -policy $policy >/dev/null 2>"$scratch/err" || fail "-setPolicy: $(cat "$scratch/err")"
hdfs -put "$scratch"/in/* /ec/
hdfs -put "$scratch/in/f$((cell + 1))" /plain/
back "what was put"
wait_until 20 none || fail "groups that lack internal blocks: $("$dfs" admin -fs "$url" -report | grep -A5 Erasure)"
total=$(cat "$scratch"/in/* | wc -c)
# a group's parity takes what its first data unit takes, twice
space=$(for f in "$scratch"/in/*; do stat -c %s "$f"; done | awk -v c=$cell -v b=$block '{ s = $1; while (s > 0) { g = s > 3*b ? 3*b : s; s -= g
  r = g % (3*c); p += g + 2 * (int(g / (3*c)) * c + (r < c ? r : c)) } } END { printf "%d", p }')
[ "$("$dfs" -fs "$url" -du -s /ec | awk '{print $1, $2}')" = "$total $space" ] || fail "-du -s: $("$dfs" -fs "$url" -du -s /ec), not $total $space"
[ "$(cat "$dir"/dn?.data/current/BP-*/current/finalized/*/*/blk_-*[0-9] | wc -c)" = "$space" ] || fail "the DataNodes hold other than $space bytes"
[ "$("$peer" dfs "$url" -setrep 2 "/ec/f1" 2>/dev/null)" = "Did not set replication for: /ec/f1, because it's an erasure coded file." ] || fail "-setrep"
"$peer" dfs "$url" -appendToFile "$scratch/in/f1" /ec/f1 2>&1 | grep -q "Append on EC file without new block is not supported" || fail "-appendToFile"
"$peer" dfs "$url" -truncate 0 /ec/f1 2>&1 | grep -q "Cannot truncate file with striped block" || fail "-truncate"

tree before
"$cluster" restart-namenode "$dir" >/dev/null || fail "restart of the NameNode"
tree after
same_tree before after "after a restart from the journal"
back "after a restart from the journal"
"$dfs" admin -fs "$url" -safemode enter >/dev/null && "$dfs" admin -fs "$url" -saveNamespace >/dev/null || fail "saveNamespace"
image=$(ls "$dir"/name/current/fsimage_* | grep -v md5 | tail -1)
"$peer" class org.apache.hadoop.hdfs.tools.offlineImageViewer.OfflineImageViewerPB -p XML -i "$image" -o "$scratch/image.xml" >/dev/null 2>"$scratch/err" ||
  fail "oiv: $(cat "$scratch/err")"
[ "$(grep -o '<blockType>STRIPED</blockType><erasureCodingPolicyId>2</erasureCodingPolicyId>' "$scratch/image.xml" | wc -l)" = 12 ] || fail "oiv: not 12 striped files"

# the same name directory under a real NameNode, and back
export HADOOP_PEER_HEAP=256m HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
port=${url##*:}
kill "$(cat "$dir/nn.pid")"; wait_until 20 eval "! kill -0 $(cat "$dir/nn.pid") 2>/dev/null" || fail "our NameNode does not stop"
mkdir -p "$dir/java"; mv "$dir/name" "$dir/java/name"
"$peer" namenode "$dir/java" "$port" dfs.namenode.ec.system.default.policy=$policy || fail "a real NameNode does not start from our image"
"$peer" live "$dir/java" 5 || fail "the DataNodes do not register at a real NameNode"
back "under a real NameNode"
cp "$scratch/in/f$((3 * cell + 1))" "$scratch/in/by-java"
hdfs -put "$scratch/in/by-java" /ec/
"$peer" stop "$dir/java"
mv "$dir/java/name" "$dir/name"; rm -f "$dir/nn.pid"
"$cluster" namenode "$dir" "$port" dfs.namenode.ec.system.default.policy=$policy dfs.namenode.heartbeat.recheck-interval=2000 || fail "ours does not start again"
"$cluster" live "$dir" 5 || fail "the DataNodes do not come back"
back "after a real NameNode"

# two of five are gone: what is there is decoded, and what is written gets along with three
for i in 1 3; do kill -9 "$(cat "$dir/dn$i.pid")"; done
back "with two dead DataNodes"
for n in 1 $((3 * block + 1)); do
  cp "$scratch/in/f$n" "$scratch/in/late$n"
  hdfs -put "$scratch/in/late$n" /ec/
done
back "written with two dead DataNodes"
lacking() { [ "$(groups 'Low redundancy block groups')" -ge 15 ]; }
wait_until 60 lacking || fail "dead nodes: $(groups 'Low redundancy block groups') groups lack internal blocks"
[ "$(groups 'Missing block groups')" = 0 ] || fail "missing groups: $(groups 'Missing block groups')"
echo "12 lengths, restart, image, real NameNode, two dead nodes: equal"
