#!/usr/bin/env bash
# One name directory, in turns under a real NameNode and under ours: each shows the tree that the other left, line by line, with
# Hadoop's own shell. In between random changes come in: INTERCHANGE_CHANGES (300; the full run is 10000), seed INTERCHANGE_SEED.
. "$(dirname "$0")/lib.sh"
changes=${INTERCHANGE_CHANGES:-300} seed=${INTERCHANGE_SEED:-$RANDOM}
dir=$scratch/nn; base=$(free_base); clusters+=("$dir"); url=hdfs://127.0.0.1:$base
classes=$scratch/classes
at_end() { stop_java; }
mkdir -p "$dir/nn.conf" "$classes"
javac -nowarn -cp "$("$peer" classpath)" -d "$classes" "$here/Interchange.java" 2>"$scratch/javac" || fail "javac: $(cat "$scratch/javac")"

site() { # FILE k=v..
  local f=$1 kv; shift
  { echo '<configuration>'
    for kv in "$@"; do printf '<property><name>%s</name><value>%s</value></property>\n' "${kv%%=*}" "${kv#*=}"; done
    echo '</configuration>'; } >"$f"
}
java_pid=
start_java() { # RANGES: a NameNode that knows symbolic links; its images have ranges, or are packed by gzip
  local c=$scratch/java.conf i
  mkdir -p "$c"
  site "$c/core-site.xml" "fs.defaultFS=$url" "hadoop.tmp.dir=$scratch/tmp"
  site "$c/hdfs-site.xml" "dfs.namenode.name.dir=file://$dir/name" "dfs.namenode.http-address=127.0.0.1:0" \
    dfs.namenode.safemode.extension=0 dfs.namenode.safemode.min.datanodes=0 dfs.namenode.fs-limits.min-block-size=1 \
    dfs.namenode.datanode.registration.ip-hostname-check=false dfs.heartbeat.interval=1 \
    dfs.namenode.redundancy.interval.seconds=1s dfs.namenode.delegation.token.always-use=true "dfs.image.parallel.load=$1" \
    "dfs.image.compress=$([ "$1" = true ] && echo false || echo true)" dfs.image.compression.codec=org.apache.hadoop.io.compress.GzipCodec \
    dfs.image.parallel.inode.threshold=10
  if [ ! -d "$dir/name/current" ]; then
    HADOOP_PEER_CP=$c "$peer" class org.apache.hadoop.hdfs.server.namenode.NameNode -format -nonInteractive >"$dir/java.log" 2>&1 ||
      fail "Hadoop's -format: $(tail -3 "$dir/java.log")"
  fi
  HADOOP_PEER_CP=$classes:$c setsid "$peer" class Interchange namenode >>"$dir/java.log" 2>&1 </dev/null &
  java_pid=$!
  wait_until 60 listening || fail "the real NameNode does not start: $(grep -m1 -A3 'ERROR\|Exception' "$dir/java.log")"
}
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$base") 2>/dev/null; }
stop_java() { [ -z "$java_pid" ] || { kill "$java_pid"; wait "$java_pid"; java_pid=; } 2>/dev/null; }
start_ours() { "$cluster" namenode "$dir" "$base" >/dev/null || fail "our NameNode does not start: $(tail -1 "$dir/nn.log")"; }
stop_ours() {
  local p; p=$(cat "$dir/nn.pid")
  kill "$p"; wait_until 20 gone "$p" || fail "our NameNode does not stop"
}
gone() { ! kill -0 "$1" 2>/dev/null; }
all_live() { [ "$("$dfs" admin -fs "$url" -report -live 2>/dev/null | sed -n 's/^Live datanodes (\([0-9]*\)).*/\1/p')" = 3 ]; }
live() { wait_until 30 all_live || fail "the DataNodes don't come back"; }
steps() { HADOOP_PEER_CP=$classes "$peer" class Interchange "$url" "$@" >"$scratch/steps" 2>"$scratch/err" || fail "$*: $(grep -v WARN "$scratch/err" | head -3)"; }
same() { # ONE OTHER WHAT
  cmp -s "$scratch/$1" "$scratch/$2" || { diff "$scratch/$1" "$scratch/$2" | head -20 >&2; fail "$3 (seed $seed)"; }
}

start_java true
for i in 0 1 2; do "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name "dn$i" --no-wait || fail "dn$i does not start"; done
live
steps populate save more tree "$scratch/a.tree" policies "$scratch/a.policies"
grep -q Exception "$scratch/steps" && fail "populate: $(cat "$scratch/steps")"
stop_java

start_ours
live
steps tree "$scratch/b.tree"
same a.tree b.tree "ours shows another tree than the real NameNode that wrote it"
steps storm "$seed" "$changes" settle tree "$scratch/c.tree" policies "$scratch/c.policies"
stop_ours

start_java false
live
steps tree "$scratch/d.tree" policies "$scratch/d.policies" storm $((seed + 1)) $((changes / 2)) settle save storm $((seed + 2)) $((changes / 2)) settle tree "$scratch/e.tree"
same c.tree d.tree "the real NameNode shows another tree than ours that wrote it"
grep -v ' /storm\|^/storm\|^\[' "$scratch/d.policies" >"$scratch/d2.policies"; sed -i '/^\[/d' "$scratch/a.policies" # the list has grown
same c.policies d.policies "the real NameNode shows other policies than ours"
same a.policies d2.policies "erasure coding or storage policies got lost"
stop_java

start_ours
steps tree "$scratch/f.tree"
same e.tree f.tree "ours shows another tree than the real NameNode that changed ours"
stop_ours

# the viewers: the same of every image and file of edits that both have written
viewers=org.apache.hadoop.hdfs.tools
for f in $(ls "$dir"/name/current/fsimage_* | grep -v md5) $(ls -t "$dir"/name/current/edits_*-* | head -3); do
  case $f in
  *fsimage*) ours="oiv -p XML" theirs="$viewers.offlineImageViewer.OfflineImageViewerPB -p XML" ;;
  *) ours=oev theirs=$viewers.offlineEditsViewer.OfflineEditsViewer ;;
  esac
  # shellcheck disable=SC2086
  "$dfs" $ours -i "$f" -o "$scratch/ours.xml" || fail "dfs $ours of $f"
  # shellcheck disable=SC2086
  "$peer" class $theirs -i "$f" -o "$scratch/theirs.xml" >/dev/null 2>&1 || fail "Hadoop's $ours of $f"
  sed -i 's/<oivRevision>[^<]*/<oivRevision>/' "$scratch/ours.xml" "$scratch/theirs.xml"
  same ours.xml theirs.xml "dfs $ours shows $(basename "$f") in another way"
done
echo "$(grep -c ^ "$scratch/f.tree") lines of shell output, $changes and $changes changes"
