#!/usr/bin/env bash
# A Java DataNode and two of ours under our NameNode: one pipeline, and each of them alone serves the file.
. "$(dirname "$0")/lib.sh"
start_cluster 2 dfs.blocksize=4m
at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
"$peer" datanode "$dir/java" --namenode "127.0.0.1:$base" --port $((base + 40)) --name dn7 || fail "the Java DataNode does not start"
"$cluster" live "$dir" 3 || fail "the Java DataNode does not register"
head -c 9M /dev/urandom >"$scratch/in"
"$dfs" -fs "$url" -put "$scratch/in" /mixed || fail "put through a mixed pipeline"
for name in dn0 dn1 java/dn7; do
  [ "$(find "$dir/$name.data" -name 'blk_*' ! -name '*.meta' -path '*finalized*' | wc -l)" = 3 ] || fail "$name does not hold all three blocks"
done
kill -9 "$(cat "$dir/dn0.pid")" "$(cat "$dir/dn1.pid")"
"$dfs" -fs "$url" -cat /mixed | cmp - "$scratch/in" || fail "read from the Java DataNode"
