#!/usr/bin/env bash
# fsck: the same damage under our NameNode and a real one (both with our DataNodes) gets the same lines and exit codes; our
# command and Hadoop's say the same; -move, -delete, -list-corruptfileblocks, -blockId; who may ask; the audit line.
. "$(dirname "$0")/lib.sh"
"$peer" fetch >/dev/null 2>&1 || { echo "no Hadoop peer on this machine" >&2; exit 77; }

settings=(dfs.replication=3 dfs.namenode.replication.min=1 dfs.blockreport.initialDelay=0)
start_cluster 3 "${settings[@]}" "hadron.namenode.audit.log=$scratch/audit.log"
our_url=$url our_base=$base our_dir=$dir
their_dir=$scratch/theirs their_base=$(free_base) their_url=hdfs://127.0.0.1:$their_base
at_end() { kill ${writers[@]+"${writers[@]}"} 2>/dev/null; "$cluster" stop "$their_dir" 2>/dev/null; "$peer" stop "$their_dir" 2>/dev/null; }
writers=()
"$peer" namenode "$their_dir" "$their_base" "${settings[@]}" || fail "the real NameNode does not start"
for i in 0 1 2; do
  "$cluster" datanode "$their_dir" --namenode "127.0.0.1:$their_base" --port $((their_base + 10 + 3 * i)) --name dn$i "${settings[@]}"
done
"$peer" live "$their_dir" 3 || fail "our DataNodes do not register with the real NameNode"

at() { # ours|theirs: sets url, base, dir
  if [ "$1" = ours ]; then url=$our_url base=$our_base dir=$our_dir; else url=$their_url base=$their_base dir=$their_dir; fi
}
on() { "$dfs" -fs "$url" "$@"; }
check() { "$dfs" -D "dfs.namenode.http-address=127.0.0.1:$((base + 1))" -fs "$url" fsck "$@"; }
mask() {
  sed -E -e "s/127\.0\.0\.1:$base/NN/g; s/127\.0\.0\.1:$((base + 1))/WEB/g; s/127\.0\.0\.1:[0-9]+/DN/g" \
    -e 's/BP-[0-9]+-[0-9.]+-[0-9]+/BP/g; s/DS-[0-9a-f-]{36}/DS/g' \
    -e 's/ at [A-Z][a-z]{2} [A-Z][a-z]{2} .* [0-9]{4}$/ at DATE/; s/ at [A-Z][a-z]{2} .* [0-9]{4} in [0-9]+ milli/ at DATE in N milli/'
}
# The replica of the only block of a file with one replica; sets node and block.
find_replica() { # PATH
  local id
  id=$(check "$1" -files -blocks 2>/dev/null | grep -o 'blk_[0-9]*' | head -1)
  block=$(find "$dir"/dn?.data -name "$id" | head -1)
  [ -n "$block" ] || fail "no replica of $1 ($id) in $dir"
  node=${block#"$dir/"}; node=${node%%.data/*}
}
restart_node() { # NAME
  kill "$(cat "$dir/$1.pid")"; wait_until 20 bash -c "! kill -0 $(cat "$dir/$1.pid") 2>/dev/null" || fail "$1 does not end"
  "${@:2}"
  rm -f "$dir/$1.pid"
  "$cluster" datanode "$dir" --namenode "${url#hdfs://}" --port $((base + 10 + 3 * ${1#dn})) --name "$1" "${settings[@]}"
}

head -c 300000 /dev/urandom >"$scratch/f"
head -c 1000 /dev/urandom >"$scratch/small"
mkfifo "$our_dir/pipe" "$their_dir/pipe"
build() { # a tree with all that fsck tells apart
  on -mkdir -p /t/healthy/deep /t/policies /t/empty || fail "mkdir"
  on -D dfs.blocksize=131072 -put "$scratch/f" /t/healthy/three || fail "put"
  on -put "$scratch/small" "/t/healthy/deep/a name with blanks" || fail "put"
  on -touchz /t/healthy/none || fail "touchz"
  on -D dfs.replication=5 -put "$scratch/small" /t/under || fail "put"
  on -D dfs.replication=1 -put "$scratch/small" /t/rotten || fail "put"
  on -D dfs.replication=1 -put "$scratch/small" /t/gone || fail "put"
  on -put "$scratch/small" /t/policies/cold || fail "put"
  "$dfs" storagepolicies -fs "$url" -setStoragePolicy -path /t/policies -policy COLD >/dev/null || fail "policy"
  on -put -d - /t/open <"$dir/pipe" 2>/dev/null &
  writers+=($!)
  exec 8>"$dir/pipe"; cat "$scratch/f" >&8
  find_replica /t/rotten; printf 'XXXX' | dd of="$block" bs=1 seek=100 conv=notrunc status=none
  on -cat /t/rotten >/dev/null 2>&1 & # finds it at once, and tries again for a while
  writers+=($!)
  find_replica /t/gone; restart_node "$node" rm "$block" "$block"_*.meta
  damaged() { [ "$(check /t 2>/dev/null | grep -c 'MISSING 1 blocks\|CORRUPT 1 blocks')" = 2 ]; }
  wait_until 90 damaged || fail "damage does not show on $url: $(check /t 2>&1)"
  opened() { check /t -openforwrite -files -blocks 2>/dev/null | grep -q 'Expected_repl=3'; }
  wait_until 60 opened || fail "the open file has no block on $url: $(check /t -openforwrite -files -blocks 2>&1)"
}
at theirs; build; exec 7>&8
at ours; build
whole() { ! check /t/policies 2>/dev/null | grep -q 'Under replicated'; }
for side in theirs ours; do at $side; wait_until 30 whole || fail "a replica of the restarted nodes is not back ($side): $(check /t/policies 2>&1)"; done

compare() { # WORDS: our command on both servers
  local side
  for side in ours theirs; do
    at $side
    check "$@" >"$scratch/$side.out" 2>"$scratch/$side.err"; echo "exit $?" >>"$scratch/$side.out"
    mask <"$scratch/$side.out" | $order >"$scratch/$side.masked"; mask <"$scratch/$side.err" >>"$scratch/$side.masked"
  done
  diff "$scratch/theirs.masked" "$scratch/ours.masked" >"$scratch/diff" || fail "fsck $*: < Hadoop's, > ours: $(cat "$scratch/diff")"
}
order=cat
compare /
compare /t
compare /t/healthy
compare /t -files
compare /t -files -blocks
compare /t -files -blocks -locations
compare /t -files -blocks -racks
compare /t -files -blocks -replicaDetails
compare /t -files -blocks -upgradedomains -locations
compare /t -files -blocks -locations -replicaDetails -maintenance -showprogress
compare /t -openforwrite
compare /t -openforwrite -files -blocks -locations
order=sort compare /t -storagepolicies # equal counts: in any order
order=cat compare /t/policies -storagepolicies -includeSnapshots
compare /t/healthy/three
compare /t/healthy/three -files -blocks -replicate
compare /t/empty
compare /t/nothing
compare /t/gone
order=sort compare /t -list-corruptfileblocks # they come in the order in which they were found
compare /t/healthy -list-corruptfileblocks
compare -blockId blk_1073741825 blk_1 nonsense
compare -blockId blk_1073741825
compare -blockId nonsense
compare /t /u
compare /t -nonsense

# Hadoop's own command on ours says the same as ours does
at ours
for words in "/t" "/t -files -blocks -locations" "/t -files -blocks -racks" "/t -list-corruptfileblocks" "/t/healthy"; do
  # shellcheck disable=SC2086
  { "$peer" fsck "$url" $words 2>/dev/null; echo "exit $?"; } | mask >"$scratch/theirs.out"
  # shellcheck disable=SC2086
  { check $words 2>/dev/null; echo "exit $?"; } | mask >"$scratch/ours.out"
  diff "$scratch/theirs.out" "$scratch/ours.out" || fail "hdfs fsck $words: < Hadoop's command, > ours"
done
[ "$(check /t/healthy >/dev/null 2>&1; echo $?)" = 0 ] || fail "exit code of a healthy tree"
[ "$(check /t >/dev/null 2>&1; echo $?)" = 1 ] || fail "exit code of a corrupt tree"
grep -q 'allowed=true	ugi=root (auth:SIMPLE)	ip=/127.0.0.1	cmd=fsck	src=/t	dst=null	perm=null' "$scratch/audit.log" ||
  fail "audit: $(grep fsck "$scratch/audit.log" | head -3)"

# figures
get() { exec 3<>"/dev/tcp/127.0.0.1/$((base + 1))"; printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3; cat <&3; exec 3>&-; }
shown() { get '/jmx?qry=Hadoop:service=NameNode,name=FSNamesystem' | grep -q '"MissingBlocks" : 2,'; }
wait_until 5 shown || fail "missing blocks on /jmx: $(get '/jmx?qry=Hadoop:service=NameNode,name=FSNamesystem')"

# who may ask
for side in ours theirs; do
  at $side; on -chmod 700 /t/empty
  HADOOP_USER_NAME=nobody check / 2>/dev/null | mask >"$scratch/$side.denied"
  HADOOP_USER_NAME=nobody check -blockId blk_1073741825 2>/dev/null | mask >>"$scratch/$side.denied"
  HADOOP_USER_NAME=nobody check / -list-corruptfileblocks 2>/dev/null | mask >>"$scratch/$side.denied"
done
diff "$scratch/theirs.denied" "$scratch/ours.denied" || fail "another user: < Hadoop's, > ours"
grep -q 'Permission denied' "$scratch/ours.denied" || fail "another user is not refused: $(cat "$scratch/ours.denied")"

# what is left goes to lost+found; then the corrupt files go
for side in ours theirs; do
  at $side
  check /t -move 2>/dev/null | mask >"$scratch/$side.moved"
  on -ls -R /lost+found 2>/dev/null | awk '{print $1, $5, $8}' >>"$scratch/$side.moved"
done
[ "$(on -ls -R /lost+found | grep -c /lost+found/t)" -ge 2 ] || fail "-move: $(on -ls -R /lost+found)"
for side in ours theirs; do
  at $side
  check /t -delete 2>/dev/null | mask >"$scratch/$side.deleted"
  check /t 2>/dev/null | mask >>"$scratch/$side.deleted"; on -ls -R /t | awk '{print $8}' >>"$scratch/$side.deleted"
done
diff "$scratch/theirs.deleted" "$scratch/ours.deleted" || fail "-delete: < Hadoop's, > ours"
grep -q "under path '/t' is HEALTHY" "$scratch/ours.deleted" || fail "-delete leaves corrupt files: $(cat "$scratch/ours.deleted")"

# a reader that goes away ends its check
(exec 3<>"/dev/tcp/127.0.0.1/$((our_base + 1))"; printf 'GET /fsck?ugi=root&path=/ HTTP/1.1\r\nHost: x\r\n\r\n' >&3)
at ours; check /t >/dev/null 2>&1 || fail "after a reader that went away"
echo "fsck: ok"
