#!/bin/sh
# entrypoint.sh namenode | datanode | mini | any command. Settings: NAMENODE (host:port, default namenode:8020),
# and HADRON_SETTINGS: "key=value key=value ...".
set -eu
namenode=${NAMENODE:-namenode:8020}
property() { printf '<property><name>%s</name><value>%s</value></property>\n' "$1" "$2"; }

# The address that other containers reach this one by.
address() { hostname -i | cut -d' ' -f1; }

if [ ! -f "$HADOOP_CONF_DIR/core-site.xml" ]; then
  mkdir -p "$HADOOP_CONF_DIR"
  {
    echo '<configuration>'
    property fs.defaultFS "hdfs://$namenode"
    # a container network is beyond loopback; who can reach it is believed
    property hadron.insecure.network true
    property dfs.namenode.name.dir file:///data/name
    property dfs.datanode.data.dir file:///data/data
    property dfs.datanode.address "0.0.0.0:9866"
    property dfs.datanode.ipc.address "0.0.0.0:9867"
    [ "${1:-}" = datanode ] && property dfs.datanode.hostname "$(address)"
    [ "${1:-}" = namenode ] && property dfs.namenode.rpc-address "$(address):${namenode##*:}"
    for setting in ${HADRON_SETTINGS:-}; do property "${setting%%=*}" "${setting#*=}"; done
    echo '</configuration>'
  } >"$HADOOP_CONF_DIR/core-site.xml"
fi

case ${1:-} in
  namenode)
    [ -d /data/name/current ] || dfs-namenode -format -nonInteractive
    exec dfs-namenode ;;
  datanode) exec dfs-datanode ;;
  mini) shift; unset HADOOP_CONF_DIR; exec dfs mini --datanodes 3 --dir /data/mini "$@" ;;
  *) exec "$@" ;;
esac
