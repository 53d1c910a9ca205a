#!/usr/bin/env bash
# -report, its filters and -printTopology: our command and Hadoop's, on our NameNode and on a real one (both with three of our DataNodes, one
# of them dead), write the same lines.
. "$(dirname "$0")/lib.sh"
at_end() { "$peer" stop "$scratch/theirs" 2>/dev/null; }

start() { # KIT SIDE
  local i
  dir=$scratch/$2 base=$(free_base); url=hdfs://127.0.0.1:$base
  mkdir -p "$dir"; clusters+=("$dir")
  "$1" namenode "$dir" "$base" dfs.namenode.heartbeat.recheck-interval=500 "net.topology.script.file.name=$scratch/rack" || fail "the NameNode ($2) does not start"
  for i in 0 1 2; do "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name dn$i || fail "dn$i ($2) does not start"; done
  "$1" live "$dir" 3 || fail "the DataNodes do not register ($2)"
  "$dfs" -fs "$url" -put "$scratch/rack" /file || fail "put ($2)"
  kill -9 "$(cat "$dir/dn0.pid")"; rm "$dir/dn0.pid"
  echo "$base" >"$scratch/$2.base"
}
at() { base=$(cat "$scratch/$1.base") dir=$scratch/$1; url=hdfs://127.0.0.1:$base; }
say() { # ours|theirs WORDS: a command on the NameNode at hand, without the figures and names that differ from cluster to cluster
  local i mask="s/127\.0\.0\.1:$base\b/NN/g"
  for i in 0 1 2; do mask+="; s/127\.0\.0\.1:$((base + 10 + 3 * i))\b/DN$i/g"; done
  if [ "$1" = ours ]; then "$dfs" admin -fs "$url" "${@:2}"; else "$peer" admin "$url" "${@:2}"; fi 2>&1 |
    sed -E -e "$mask" -e 's/^(Configured Capacity|Present Capacity|DFS Remaining|Non DFS Used|DFS Used): [0-9]+ \([0-9.]+ [KMGTP]?B\)$/\1: N/' \
      -e 's/^(DFS Remaining%|DFS Used%): [0-9.]+%$/\1: N/; s/^Xceivers: [0-9]+$/Xceivers: N/' \
      -e 's/^(Last contact|Last Block Report): [A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]{2} [0-9:]{8} [A-Z]+ [0-9]{4}$/\1: DATE/'
}
by_node() { # WORDS: servers list nodes in any order
  case $1 in
    -printTopology) sort ;;
    *) awk '/^Name: |datanodes \(/ { print text; text = "" } { text = text "|" $0 } END { print text }' | sort ;;
  esac
}
one_dead() { say ours -report >"$scratch/report"; grep -q '^Dead datanodes (1)' "$scratch/report" && grep -q 'Under replicated blocks: 1$' "$scratch/report"; }

compare() { # WORDS: two commands on two servers
  local side
  for side in ours theirs; do
    at $side
    say ours "$@" >"$scratch/$side.ours" & say theirs "$@" >"$scratch/$side.theirs"; wait $!
    diff <(by_node "$@" <"$scratch/$side.theirs") <(by_node "$@" <"$scratch/$side.ours") >"$scratch/diff" || fail "$* on $side: < Hadoop's command, > ours: $(tr '|' '\n' <"$scratch/diff")"
    [ -s "$scratch/$side.ours" ] || fail "$* on $side says nothing"
    by_node "$@" <"$scratch/$side.ours" | tr '|' '\n' >"$scratch/$side.sorted"
  done
  diff "$scratch/theirs.sorted" "$scratch/ours.sorted" >"$scratch/diff" || fail "$*: < Hadoop's NameNode, > ours: $(cat "$scratch/diff")"
}

printf '#!/bin/sh\nfor name; do echo /r1; done\n' >"$scratch/rack"; chmod +x "$scratch/rack"
start "$peer" theirs; start "$cluster" ours
for side in theirs ours; do at $side; wait_until 40 one_dead || fail "no dead node on $side"; done
compare -report
compare -report -live
compare -report -dead
compare -report -decommissioning -enteringmaintenance -inmaintenance -slownodes
compare -printTopology
