#!/usr/bin/env bash
# With simple authentication nothing listens beyond loopback unless that is said; and a second server on a folder, or a
# DataNode of another cluster, is refused with words.
. "$(dirname "$0")/lib.sh"
start_cluster 1
refused() { # TEXT COMMAND...
  local text=$1; shift
  timeout 20 "$@" >"$scratch/out" 2>&1 && fail "$* succeeds"
  grep -q -- "$text" "$scratch/out" || fail "'$text' is not in the answer of $*: $(cat "$scratch/out")"
}
port=$((base + 30))
refused hadron.insecure.network "$HADRON_BIN/dfs-datanode" -D fs.defaultFS="$url" -D dfs.datanode.address=0.0.0.0:$port \
  -D dfs.datanode.ipc.address=127.0.0.1:0 -D dfs.datanode.data.dir="$scratch/open"
"$HADRON_BIN/dfs-namenode" -D dfs.namenode.name.dir="$scratch/name" -D fs.defaultFS=hdfs://127.0.0.1:$port -format -nonInteractive >/dev/null 2>&1 || fail "format"
refused hadron.insecure.network "$HADRON_BIN/dfs-namenode" -D dfs.namenode.name.dir="$scratch/name" -D fs.defaultFS=hdfs://127.0.0.1:$port \
  -D dfs.namenode.rpc-address=0.0.0.0:$port
refused in_use.lock env HADOOP_CONF_DIR="$dir/nn.conf" "$HADRON_BIN/dfs-namenode" -D dfs.namenode.rpc-address=127.0.0.1:$port
cp -r "$dir/dn0.data" "$scratch/foreign"; rm -f "$scratch/foreign/in_use.lock"
sed -i 's/^clusterID=.*/clusterID=CID-of-somebody-else/' "$scratch/foreign/current/VERSION"
refused CID-of-somebody-else "$HADRON_BIN/dfs-datanode" -D fs.defaultFS="$url" -D dfs.datanode.address=127.0.0.1:0 \
  -D dfs.datanode.ipc.address=127.0.0.1:0 -D dfs.datanode.data.dir="$scratch/foreign"
refused dfs.replication "$HADRON_BIN/dfs-namenode" -D dfs.replication=many -D dfs.namenode.name.dir="$scratch/name"
