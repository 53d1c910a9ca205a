#!/usr/bin/env bash
# One node of a pipeline fails at every position and moment: the write goes on, and all replicas end up equal on disk.
# PIPELINE_LONG=1 for the whole matrix; WRITER=java with Hadoop's client; CASES="position:moment:fault ..." for single ones;
# NAMENODE=java with a NameNode of a real Hadoop.
. "$(dirname "$0")/lib.sh"
faults='hadron.testing.failpoints=${hadoop.tmp.dir}.faults'
block=$((4 << 20))
if [ "${NAMENODE:-}" = java ]; then
  dir=$scratch/cluster0; base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
  at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
  "$peer" namenode "$dir/java" "$base" dfs.namenode.reconstruction.pending.timeout-sec=5 dfs.namenode.redundancy.considerLoad=false || fail "the Java NameNode does not start"
  for i in 0 1 2 3; do "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name dn$i "$faults" || fail "dn$i does not start"; done
  "$peer" live "$dir/java" 4 || fail "the DataNodes do not register"
else
  start_cluster 4 dfs.namenode.reconstruction.pending.timeout-sec=5 "$faults"
fi

if [ "${WRITER:-}" = java ]; then
  javac -cp "$("$peer" classpath)" -d "$scratch" "$here/PipelineWriter.java" || fail "javac"
  coproc writer { HADOOP_PEER_CP=$scratch exec "$peer" class PipelineWriter "$url" 2>"$scratch/writer.log"; }
else
  coproc writer { exec "$HADRON_BIN/pipeline_writer" "$url" 2>"$scratch/writer.log"; }
fi
writer_pid=$writer_PID
answer=""; worst=0
ask() { echo "$*" >&"${writer[1]}" || fail "the writer is gone: $(tail -n 3 "$scratch/writer.log")"; }
hear() { # WHAT
  local ms
  read -r -t 120 answer <&"${writer[0]}" || fail "$1: no answer"
  case $answer in ok*) ;; *) fail "$1: $answer" ;; esac
  ms=${answer#ok }; ms=${ms%% *}
  [ "$ms" -le "$worst" ] || worst=$ms
}
do_() { ask "$*"; hear "$what: $*"; }

peers_of() { # PID: the data ports it is connected to
  ss -Htnp state established 2>/dev/null | awk -v pid="pid=$1," 'index($0, pid) { n = split($4, a, ":"); print a[n] }'
}
index_of() { # PORT -> index of the DataNode
  local i=$((($1 - base - 10) / 3))
  [ $((base + 10 + 3 * i)) = "$1" ] && [ "$1" -ge $((base + 10)) ] && [ $i -lt 4 ] && echo $i
}
walk() { # PID NODE...: goes on to nodes that aren't in the list yet, until there are three
  local pid=$1 port i; shift
  if [ $# = 3 ]; then nodes=("$@"); return 0; fi
  for port in $(peers_of "$pid"); do
    i=$(index_of "$port") || continue
    case " $* " in *" $i "*) continue ;; esac
    walk "$(cat "$dir/dn$i.pid")" "$@" "$i" && return 0
  done
  return 1
}
pipeline() { nodes=(); walk "$writer_pid"; } # sets nodes: indices in the order of the pipeline; a reader's idle connections lead nowhere

restart() { # INDEX: announced to the writers, which keep the node; it is back before they go on
  local pid; pid=$(cat "$dir/dn$1.pid")
  "$peer" admin "$url" -shutdownDatanode "127.0.0.1:$((base + 12 + 3 * $1))" upgrade >"$scratch/admin.log" 2>&1 || fail "$what: $(cat "$scratch/admin.log")"
  wait_until 30 eval "! kill -0 $pid 2>/dev/null" || fail "$what: dn$1 does not stop"
  rm -f "$dir/dn$1.pid"
  before=("${nodes[@]}")
  "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * $1)) --name "dn$1" "$faults" || fail "dn$1 does not start again"
}

strike() { # FAULT INDEX MOMENT
  case $1 in
    restart) restart "$2" ;;
    kill) kill -9 "$(cat "$dir/dn$2.pid")" ;;
    stop) kill -STOP "$(cat "$dir/dn$2.pid")" ;;
    full) echo 'write ENOSPC' >"$dir/dn$2.tmp.faults" ;;
    disk) if [ "$3" = close ]; then echo 'sync EIO' >"$dir/dn$2.tmp.faults"; else echo 'write EIO' >"$dir/dn$2.tmp.faults"; fi ;;
  esac
}
heal() { # FAULT INDEX MOMENT
  local pid; pid=$(cat "$dir/dn$2.pid")
  case $1 in
    stop) kill -CONT "$pid" ;;
    full) rm -f "$dir/dn$2.tmp.faults" ;;
    disk) rm -f "$dir/dn$2.tmp.faults"; [ "$3" = close ] && kill -9 "$pid" ;;
  esac
  case $1:$3 in kill:* | disk:close)
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    rm -f "$dir/dn$2.pid"
    "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * $2)) --name "dn$2" "$faults" || fail "dn$2 does not start again" ;;
  esac
  if [ "${NAMENODE:-}" = java ]; then "$peer" live "$dir/java" 4; else "$cluster" live "$dir" 4; fi || fail "dn$2 does not register again"
}

run_case() { # POSITION MOMENT FAULT
  local position=$1 moment=$2 fault=$3 victim size
  what="$position:$moment:$fault" path=/faults/$1-$2-$3; worst=0
  do_ create "$path" 3 $block
  case $moment in
    connect) victim=$position ;;
    first) do_ write 1; do_ hflush ;;
    block) do_ write $((1 << 20)); do_ hflush ;;
    chunk) do_ write 1300; do_ hflush ;;
    hflush | close) do_ write 100000; do_ hflush; do_ write 333 ;;
  esac
  if [ "$moment" != connect ]; then
    pipeline || { ss -Htnp state established >&2; tail -n 3 "$scratch/writer.log" >&2; fail "$what: the pipeline is not seen, only: ${nodes[*]-}"; }
    victim=${nodes[$((position - 1))]}
  fi
  worst=0
  case $moment in
    block) ask write $((5 << 20)); strike "$fault" "$victim" "$moment"; hear "$what: write" ;;
    *) strike "$fault" "$victim" "$moment" ;;
  esac
  case $moment in
    close) ;;
    connect) do_ write 70000; do_ hflush ;;
    *) do_ write 10; do_ hflush; do_ write 2000; do_ hflush ;;
  esac
  if [ "$fault" = restart ] && [ "$moment" != close ]; then
    pipeline && [ "${nodes[*]}" = "${before[*]}" ] || fail "$what: the pipeline was ${before[*]} and is ${nodes[*]-}"
  fi
  do_ close
  echo "$what ms=$worst" >>"$scratch/times"
  do_ verify "$path"; size=${answer##* }
  heal "$fault" "$victim" "$moment"
  case $moment in
    connect) [ "$size" = 70000 ] ;;
    first) [ "$size" = 2011 ] ;;
    block) [ "$size" = $(((6 << 20) + 2010)) ] ;;
    chunk) [ "$size" = 3310 ] ;;
    hflush) [ "$size" = 102343 ] ;;
    close) [ "$size" = 100333 ] ;;
  esac || fail "$what: $size bytes are read back"
}

equal() { # every finalized block and its checksums: three copies, one content
  local copies
  copies=$(find "$dir" -path '*finalized*' -name 'blk_*' -exec cksum {} + | awk '{n = split($3, a, "/"); print a[n], $1, $2}' | sort | uniq -c)
  [ -n "$copies" ] && ! awk '$1 != 3 {bad = 1; print} END {exit !bad}' <<<"$copies" >"$scratch/unequal"
}
settled() { [ -z "$(find "$dir" -path '*/rbw/blk_*' -print -quit)" ]; }

if [ -n "${CASES:-}" ]; then
  cases=$CASES
elif [ -n "${PIPELINE_LONG:-}" ]; then
  cases=$(for m in connect first block chunk hflush close; do for f in kill stop full disk; do for p in 1 2 3; do echo "$p:$m:$f"; done; done; done)
else
  cases="2:block:kill 1:chunk:kill 3:hflush:kill 2:chunk:stop 3:block:stop 2:first:full 3:chunk:disk 2:close:disk 2:chunk:restart"
fi
for c in $cases; do
  IFS=: read -r p m f <<<"$c"
  run_case "$p" "$m" "$f"
done
what=end
for c in $cases; do IFS=: read -r p m f <<<"$c"; do_ verify "/faults/$p-$m-$f"; done
sort -t= -k2 -n -r "$scratch/times" | head -n "${SHOW:-3}"
wait_until 60 equal || fail "replicas differ or are not three: $(head -n 5 "$scratch/unequal")"
if ! wait_until 3 settled; then # what a stopped node has left is found by its next full report
  for i in 0 1 2 3; do kill -9 "$(cat "$dir/dn$i.pid")"; heal kill $i end; done
  wait_until 30 settled || fail "replicas are still open: $(find "$dir" -path '*/rbw/blk_*')"
  wait_until 30 equal || fail "replicas differ after a restart: $(head -n 5 "$scratch/unequal")"
fi
if [ "${WRITER:-}" = java ]; then # Hadoop's client itself waits 75 s for a first node that is stopped
  sed -i '/^1:.*:stop /d; /:connect:stop /d' "$scratch/times"
fi
slow=$(awk -F'[= ]' '/:stop/ && $3 > 10000 || /:kill/ && $3 > 5000' "$scratch/times")
[ -z "$slow" ] || fail "a writer waited too long: $slow"
