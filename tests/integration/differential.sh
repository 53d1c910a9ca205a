#!/usr/bin/env bash
# The same random operations on a real NameNode and on ours. DIFF_OPS=100000 is the long form; DIFF_SEED and DIFF_ROUND repeat a part.
. "$(dirname "$0")/lib.sh"
settings=(dfs.ls.limit=7 dfs.namenode.list.openfiles.num.responses=3 dfs.namenode.accesstime.precision=3600000
  "hadoop.user.group.static.mapping.overrides=alice=staff;bob=staff,dev;carol=dev;dan=supergroup;eve=;stranger=;root=root")
real=$scratch/real
at_end() { "$peer" stop "$real"; }
classes=$("$top/tests/differential/run" classpath) || fail "the test does not compile"
start_cluster 1 "${settings[@]}" hadron.namenode.symlinks.enabled=true
other=$(HADOOP_PEER_CP=$classes HADOOP_PEER_NAMENODE=differential.SymlinkNameNode HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1" \
  "$peer" start "$real" 1 "$(free_base)" "${settings[@]}") || fail "the real cluster does not start"
"$top/tests/differential/run" "$other" "$url"
