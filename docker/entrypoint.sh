#!/bin/sh
# entrypoint.sh namenode | datanode | mini | COMMAND, each with its arguments: what a container runs.
# README.md beside this file has the environment variables.
set -euf
conf=/etc/hadron

# The address that other containers reach this one by; nothing when the container's name has none.
address() { hostname -i 2>/dev/null | cut -d' ' -f1; }

property() { # NAME VALUE
  printf '<property><name>%s</name><value>%s</value></property>\n' \
    "$1" "$(printf '%s' "$2" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g')"
}

# A later property wins over an earlier one of the same name, so the user's settings come last.
settings() { # ROLE
  local setting host
  echo '<configuration>'
  property fs.defaultFS "hdfs://$namenode"
  # Containers are beyond loopback; who reaches their network is believed.
  property hadron.insecure.network true
  property dfs.namenode.name.dir file:///data/name
  property dfs.datanode.data.dir file:///data/data
  case $1 in
    namenode)
      property dfs.namenode.rpc-address "$namenode"
      property dfs.namenode.rpc-bind-host 0.0.0.0 ;;
    datanode)
      host=$(address)
      [ -z "$host" ] || property dfs.datanode.hostname "$host" ;;
  esac
  for setting in ${HADRON_SETTINGS:-}; do
    property "${setting%%=*}" "${setting#*=}"
  done
  echo '</configuration>'
}

role=${1:-mini}
case $role in
  namenode) namenode=${NAMENODE:-$(hostname):8020} ;;
  *) namenode=${NAMENODE:-namenode:8020} ;;
esac
# Written at each start, since the container's address and the settings may be others than before.
if [ "$HADOOP_CONF_DIR" = "$conf" ]; then
  settings "$role" >"$conf/new"
  mv "$conf/new" "$conf/core-site.xml"
fi

case $role in
  namenode)
    shift
    # Refuses, and changes nothing, when a name directory holds a file system already.
    dfs-namenode -format -nonInteractive "$@" || echo "entrypoint.sh: what is there is used" >&2
    exec dfs-namenode "$@" ;;
  datanode)
    shift
    exec dfs-datanode "$@" ;;
  mini)
    [ $# = 0 ] || shift
    options=
    for setting in ${HADRON_SETTINGS:-}; do options="$options -D$setting"; done
    # shellcheck disable=SC2086 # one word for each setting
    exec dfs mini --datanodes 3 --dir /data/mini --conf-out "$conf" $options "$@" ;;
  *) exec "$@" ;;
esac
