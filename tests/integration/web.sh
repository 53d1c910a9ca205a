#!/usr/bin/env bash
# The status page, the beans of monitoring tools (same values as a real NameNode's shell sees) and Prometheus' figures.
. "$(dirname "$0")/lib.sh"
get() { # PORT PATH: status line, headers, body
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3; cat <&3; exec 3>&-
}
bean() { get "$1" "/jmx?qry=Hadoop:service=$2,name=$3"; }
value() { grep -o "\"$1\" *: *[^,}]*" | head -1 | sed 's/.*: *//; s/"//g; s/ *$//'; }
figure() { get $((base + 1)) /prom | awk -v n="hadron_$1" '$1 == n {print $2}'; }

start_cluster 2 dfs.replication=2
"$dfs" -fs "$url" -mkdir -p /a/b || fail "mkdir"
head -c 3000000 /dev/zero >"$scratch/f"
"$dfs" -fs "$url" -put "$scratch/f" /a/f || fail "put"
files_seen() { # the pages show a copy of the figures, made once a second
  [ "$(bean $((base + 1)) NameNode FSNamesystem | value FilesTotal)" = 4 ] &&
    [ "$(bean $((base + 1)) NameNode NameNodeInfo | grep -o 'numBlocks[^0-9]*1[^0-9]' | wc -l)" = 2 ]
}
wait_until 10 files_seen || fail "FilesTotal: $(bean $((base + 1)) NameNode FSNamesystem)"

state=$(bean $((base + 1)) NameNode FSNamesystemState)
[ "$(value NumLiveDataNodes <<<"$state")" = 2 ] || fail "NumLiveDataNodes: $state"
[ "$(value FSState <<<"$state")" = Operational ] || fail "FSState: $state"
[ "$(value BlocksTotal <<<"$state")" = 1 ] || fail "BlocksTotal: $state"
info=$(bean $((base + 1)) NameNode NameNodeInfo)
[ "$(grep -c '"name"' <<<"$info")" = 1 ] || fail "one bean was asked for: $info"
tail -n +1 <<<"$info" | sed '1,/^\r*$/d' | python3 -c '
import json, sys
bean = json.load(sys.stdin)["beans"][0]
live = json.loads(bean["LiveNodes"])
assert len(live) == 2 and json.loads(bean["DeadNodes"]) == {}, bean
assert sum(n["numBlocks"] for n in live.values()) == 2, live
assert bean["ClusterId"].startswith("CID-") and bean["Safemode"] == "", bean' || fail "NameNodeInfo: $info"

[ "$(figure namenode_files)" = 1 ] || fail "prom: $(get $((base + 1)) /prom)"
[ "$(figure namenode_live_datanodes)" = 2 ] || fail "prom: live nodes"
[ "$(figure rpc_calls_total)" -gt 5 ] || fail "prom: counters"
page=$(get $((base + 1)) /)
grep -q '^HTTP/1.[01] 200' <<<"$page" || fail "page: $page"
grep -q 'DataNodes: 2 live, 0 dead' <<<"$page" || fail "page: $page"
grep -q 'Safe mode is off' <<<"$page" || fail "page: $page"
grep -Eq 'https?://' <<<"$(sed '1,/^\r*$/d' <<<"$page")" && fail "the page refers to other hosts"
for path in '/imagetransfer?getimage=1' '/webhdfs/v1/?op=LISTSTATUS'; do
  get $((base + 1)) "$path" | head -1 | grep -q ' 404 ' || fail "$path is not 404"
done

# the DataNode's side
dn=$(bean $((base + 11)) DataNode FSDatasetState)
[ "$(value Capacity <<<"$dn")" -gt 0 ] || fail "FSDatasetState: $dn"
[ "$(value NumBlocks <<<"$dn")" = 1 ] || fail "FSDatasetState: $dn"
get $((base + 11)) / | grep -q 'DataNode' || fail "page of a DataNode: $(get $((base + 11)) /)"

# safe mode shows
"$dfs" admin -fs "$url" -safemode enter >/dev/null || fail "safemode enter"
in_safe_mode() { get $((base + 1)) / | grep -q 'Safe mode is on'; }
wait_until 10 in_safe_mode || fail "safe mode does not show: $(get $((base + 1)) /)"
