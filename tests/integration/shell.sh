#!/usr/bin/env bash
# Our dfs on our cluster beside Hadoop's shell on a real Hadoop cluster: the same lines, the same texts and exit codes.
. "$(dirname "$0")/lib.sh"
start_cluster 1
real=$scratch/real
at_end() { "$peer" stop "$real"; }
other=$(HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1" "$peer" start "$real" 1 "$(free_base)") || fail "the real cluster does not start"
"$top/tests/integration/shell_compare" "$dfs" "$peer" "$url" "$other"
