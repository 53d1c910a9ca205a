#!/usr/bin/env bash
# A day of heartbeats in fast-forward: two DataNodes of ours and two of a real Hadoop under one NameNode, ours and then Hadoop's (NAMENODE=ours
# or java: only that one), beat every HEARTBEAT_MS (25) instead of every 3 s, until each has sent HEARTBEATS (300; a day has 28,800: HEARTBEATS=28800
# takes half an hour, 13 minutes for each NameNode at least). Full block reports, scans of folders, looks at the used space and reports of the cache come as often among
# them as in a day of defaults, with a few files written, read and deleted all the time. No node may ever be dead or stale, register again or
# copy a replica; what a tenth of the heartbeats left resident in our processes may not grow; fsck has nothing to say.
. "$(dirname "$0")/lib.sh"
beats=${HEARTBEATS:-300} beat_ms=${HEARTBEAT_MS:-25}
whole_ms=$((beats * beat_ms)) # the day
dir=$scratch/cluster base=$(free_base); url=hdfs://127.0.0.1:$base; clusters+=("$dir")
nn=$dir who="our NameNode"; [ "${NAMENODE:-}" != java ] || { nn=$dir/java; who="Hadoop's NameNode"; }
at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
export HADOOP_PEER_HEAP=256m HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1:thread_local_quarantine_size_kb=64
at_least() { echo $(($1 > $2 ? $1 : $2)); }

page() { curl -sf "http://127.0.0.1:$1"; }
jmx() { page "$1/jmx?qry=Hadoop:service=$2" | sed -n "s/^ *\"$3\" *: *\([0-9]*\).*/\1/p" | head -n 1; } # PORT BEAN NAME
counter() { page "$1/prom" | sed -n "s/^$2 //p"; }
web() { echo $((base + 11 + 3 * $1)); }                                                                  # of node I; 0 and 1 are ours
sent() { case $1 in 0 | 1) counter "$(web "$1")" hadron_heartbeats_sent_total ;; *) jmx "$(web "$1")" "DataNode,name=DataNodeActivity-*" HeartbeatsNumOps ;; esac; }
reports() { case $1 in 0 | 1) counter "$(web "$1")" hadron_full_reports_sent_total ;; *) jmx "$(web "$1")" "DataNode,name=DataNodeActivity-*" BlockReportsNumOps ;; esac; }
copied() { case $1 in 0 | 1) counter "$(web "$1")" hadron_blocks_copied_total ;; *) jmx "$(web "$1")" "DataNode,name=DataNodeActivity-*" BlocksReplicated ;; esac; }
registrations() {
  if [ "$nn" = "$dir" ]; then grep -c 'DataNode registered' "$dir/nn.log"; else jmx $((base + 1)) "NameNode,name=RpcDetailedActivityForPort$base" RegisterDatanodeNumOps; fi
}
fewest() { local i n least=999999999; for i in 0 1 2 3; do n=$(sent $i); [ "${n:-0}" -ge $least ] || least=${n:-0}; done; echo "$least"; }
state() { page "$((base + 1))/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState" | grep -o '"Num\(Live\|Dead\|Stale\)DataNodes" *: *[0-9]*' | tr -d '": ' | sort | tr '\n' ' '; }
is_well() { [ "$(state)" = "NumDeadDataNodes0 NumLiveDataNodes4 NumStaleDataNodes0 " ]; }
all_well() { is_well || fail "with $(fewest) heartbeats or more from each node: $(state)"; }
ours() { if [ "$nn" = "$dir" ]; then echo nn dn0 dn1; else echo dn0 dn1; fi; }
resident() { local p; for p in $(ours); do sed -n "s/^VmRSS:[^0-9]*\([0-9]*\).*/$p \1/p" "/proc/$(cat "$dir/$p.pid")/status"; done; }

slow=(dfs.namenode.heartbeat.recheck-interval=2000 dfs.namenode.stale.datanode.interval=5000 dfs.blocksize=1048576)
if [ "$nn" = "$dir" ]; then HADRON_LOG=info "$cluster" namenode "$dir" "$base" "${slow[@]}"; else "$peer" namenode "$nn" "$base" "${slow[@]}"; fi || fail "$who does not start"
for i in 0 1 2 3; do
  args=(--namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name "dn$i" --no-wait "dfs.heartbeat.interval=${beat_ms}ms"
    "dfs.blockreport.intervalMsec=$((whole_ms / 4))" "dfs.datanode.directoryscan.interval=$(at_least 1 $((whole_ms / 4000)))"
    "fs.du.interval=$(at_least 100 $((whole_ms / 144)))" "dfs.cachereport.intervalMsec=$((beat_ms * 10 / 3))")
  case $i in 2 | 3) "$peer" datanode "$dir/java" "${args[@]}" ;; *) "$cluster" datanode "$dir" "${args[@]}" ;; esac || fail "dn$i does not start"
done
if [ "$nn" = "$dir" ]; then "$cluster" live "$dir" 4; else "$peer" live "$nn" 4; fi || fail "not 4 live DataNodes"
wait_until 20 is_well || fail "$(state)" # the page's copy of that

started=$SECONDS round=0 early= now=0
head -c 3000000 /dev/urandom >"$scratch/in"
while [ "$now" -lt "$beats" ]; do
  all_well
  file=/day/f$((round % 7)) size=$((RANDOM % 60 * 50000))
  head -c $size "$scratch/in" | "$dfs" -fs "$url" -D dfs.blocksize=1048576 -put -f - "$file" || fail "put, round $round"
  "$dfs" -fs "$url" -cat "$file" | cmp - <(head -c $size "$scratch/in") || fail "other bytes, round $round"
  [ $((round % 3)) != 2 ] || "$dfs" -fs "$url" -rm -skipTrash "/day/f$(((round + 5) % 7))" >/dev/null 2>&1 || [ $round -lt 7 ] || fail "rm, round $round"
  round=$((round + 1)) now=$(fewest)
  [ -n "$early" ] || [ "$now" -lt $((beats / 10)) ] || early=$(resident)
  [ "$beats" -lt 3000 ] || sleep 1
done
all_well
late=$(resident)
for i in 0 1 2 3; do
  [ "$(copied $i)" = 0 ] || fail "dn$i copied $(copied $i) replicas"
  [ "$(reports $i)" -ge 4 ] || fail "dn$i sent $(reports $i) full block reports"
done
[ "$(registrations)" = 4 ] || fail "$(registrations) registrations of 4 DataNodes"
"$dfs" fsck -D "dfs.namenode.http-address=127.0.0.1:$((base + 1))" -fs "$url" / >"$scratch/fsck" 2>&1 && grep -q "is HEALTHY" "$scratch/fsck" || fail "fsck: $(cat "$scratch/fsck")"
grep -E 'Under-replicated blocks:|Over-replicated blocks:|Missing replicas:' "$scratch/fsck" | grep -v '[[:space:]]0\( (0.0 %)\)\?$' >&2 && fail "not as many replicas as wanted"
echo "$who: $now heartbeats or more from each of 4 DataNodes in $((SECONDS - started)) s ($(for i in 0 1 2 3; do printf '%s ' "$(sent $i)"; done)in all), $(reports 0) and $(reports 2) full reports, $round rounds of put and get; resident kB after a tenth: ${early//$'\n'/, }; at the end: ${late//$'\n'/, }"
while read -r p kb; do # a short run has hardly begun after a tenth of it
  before=$(sed -n "s/^$p //p" <<<"$early")
  [ "$kb" -le $((before + before / 10 + ($beats < 3000 ? 65536 : 8192))) ] || fail "$p grew from $before to $kb kB"
done <<<"$late"
[ -n "${NAMENODE:-}" ] || NAMENODE=java "$0" || exit 1
