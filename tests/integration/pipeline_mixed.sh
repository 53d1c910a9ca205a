#!/usr/bin/env bash
# One Java DataNode and two of ours in every pipeline: append and truncate at the edges of chunks, a writer that dies.
# NAMENODE=java: under a real NameNode, whose fsck must call it healthy; WRITER=java: with Hadoop's client.
. "$(dirname "$0")/lib.sh"
dir=$scratch/cluster0; base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
if [ "${NAMENODE:-}" = java ]; then
  "$peer" namenode "$dir/java" "$base" || fail "the Java NameNode does not start"
else
  "$cluster" namenode "$dir" "$base" || fail "the NameNode does not start"
fi
"$peer" datanode "$dir/java" --namenode "127.0.0.1:$base" --port $((base + 40)) --name dn2 --no-wait
for i in 0 1; do "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name dn$i || fail "dn$i does not start"; done
if [ "${NAMENODE:-}" = java ]; then "$peer" live "$dir/java" 3; else "$cluster" live "$dir" 3; fi || fail "the DataNodes do not register"
[ "${WRITER:-}" = java ] && { javac -cp "$("$peer" classpath)" -d "$scratch" "$here/PipelineWriter.java" || fail "javac"; }

run() { # commands on standard input; every answer must be ok
  if [ "${WRITER:-}" = java ]; then HADOOP_PEER_CP=$scratch "$peer" class PipelineWriter "$url" 2>>"$scratch/writer.log"
  else "$HADRON_BIN/pipeline_writer" "$url" 2>>"$scratch/writer.log"; fi >"$scratch/answers"
  ! grep '^error' "$scratch/answers" >&2 || fail "$1"
}
lengths() { awk 'NF == 3 && $3 ~ /^[0-9]+$/ {print $3}' "$scratch/answers" | paste -sd' '; }

ends="1 511 512 1025"; [ -z "${PIPELINE_LONG:-}" ] || ends="1 511 512 513 1023 1024 1025"; want=""
for a in $ends; do for b in $ends; do echo "create /mixed/$a-$b 3 1048576"; echo "write $a"; echo close; done; done | run create
sleep 2 # a client of Hadoop fails when it appends before all nodes have reported the block
for a in $ends; do
  for b in $ends; do
    echo "append /mixed/$a-$b"; echo "write $b"; echo hflush; echo "verify /mixed/$a-$b"; echo "write 700"; echo close; echo "verify /mixed/$a-$b"
  done
done | run append
want=$(for a in $ends; do for b in $ends; do echo $((a + b)) $((a + b + 700)); done; done | paste -sd' ')
[ "$(lengths)" = "$want" ] || fail "appended lengths are $(lengths), not $want"

closed() { # PATH LENGTH
  printf '%s\n' "append $1" close "verify $1" | run "append to $1" && [ "$(lengths)" = "$2" ]
}
for t in $ends 3000; do echo "create /cut/$t 3 1048576"; echo "write 4000"; echo close; done | run create
sleep 2
for t in $ends 3000; do echo "truncate /cut/$t $t"; done | run truncate
for t in $ends 3000; do wait_until 20 eval "(closed /cut/$t $t) 2>/dev/null" || fail "truncate to $t is not done: $(cat "$scratch/answers")"; done
sleep 2
for t in $ends 3000; do echo "append /cut/$t"; echo "write 1000"; echo close; echo "verify /cut/$t"; done | run "append after truncate"
want=$(for t in $ends 3000; do echo $((t + 1000)); done | paste -sd' ')
[ "$(lengths)" = "$want" ] || fail "lengths after truncate and append are $(lengths), not $want"

start_writer() { # reads the fifo
  if [ "${WRITER:-}" = java ]; then HADOOP_PEER_CP=$scratch exec "$peer" class PipelineWriter "$url"
  else exec "$HADRON_BIN/pipeline_writer" "$url"; fi <"$scratch/fifo" >"$scratch/dying" 2>>"$scratch/writer.log" 8>&-
}
mkfifo "$scratch/fifo"
die() { # NAME FLUSHED MORE: a writer that ends without close
  start_writer &
  exec 8>"$scratch/fifo"
  printf '%s\n' "create /dead/$1 3 1048576" "write $2" hflush "write $3" >&8
  wait_until 30 eval '[ "$(grep -c ^ok "$scratch/dying")" -ge 4 ]' || fail "the writer of /dead/$1 does not get on: $(cat "$scratch/dying")"
  kill -9 $!; wait $! 2>/dev/null; exec 8>&-
}
recovered() { [ "$(echo "recover $1" | run "recover $1"; awk '{print $3}' "$scratch/answers")" = true ]; }
for n in 1 700 200000; do
  : >"$scratch/dying"
  die $n $n 300
  wait_until 30 eval "(recovered /dead/$n)" || fail "the lease of /dead/$n is not recovered"
  echo "verify /dead/$n" | run "verify /dead/$n"
  [ "$(lengths)" -ge $n ] || fail "/dead/$n has $(lengths) bytes"
done

equal() {
  local copies
  copies=$(find "$dir" -path '*finalized*' -name 'blk_*' -exec cksum {} + | awk '{n = split($3, a, "/"); print a[n], $1, $2}' | sort | uniq -c)
  [ -n "$copies" ] && ! awk '$1 != 3 {bad = 1; print} END {exit !bad}' <<<"$copies" >"$scratch/unequal"
}
wait_until 60 equal || fail "replicas differ or are not three: $(head -n 5 "$scratch/unequal")"
[ -z "$(find "$dir" -path '*/rbw/blk_*' -print -quit)" ] || fail "replicas are still open: $(find "$dir" -path '*/rbw/blk_*')"
if [ "${NAMENODE:-}" = java ]; then
  "$peer" fsck "$url" / >"$scratch/fsck" 2>&1; grep -q HEALTHY "$scratch/fsck" || fail "fsck: $(tail -n 5 "$scratch/fsck")"
fi
true
