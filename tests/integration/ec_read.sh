#!/usr/bin/env bash
# Erasure coded files that Hadoop's shell wrote are read by libdfs while DataNodes are killed and stopped: all contents
# right, no call longer than a few seconds; one node too many is a clear error; rot in a cell is read around and told.
# EC_READ_SECONDS: how long readers read around each fault (3).
. "$(dirname "$0")/lib.sh"
seconds=${EC_READ_SECONDS:-3}
start_cluster 9
java() { "$peer" "$@" 2>"$scratch/err" >"$scratch/out" || { cat "$scratch/err" >&2; fail "$*"; }; }
reader() { "$HADRON_BIN/striped_read" "$url" "$@" dfs.client.max.block.acquire.failures=1; }
signal() { kill "-$1" "$(cat "$dir/dn$2.pid")"; }
longest() { sed -n 's/.*longest_ms=//p' "$1"; }

java ec "$url" -enablePolicy -policy RS-3-2-1024k
java dfs "$url" -mkdir /rs63 /rs32
java ec "$url" -setPolicy -path /rs63 -policy RS-6-3-1024k
java ec "$url" -setPolicy -path /rs32 -policy RS-3-2-1024k
mib=1048576 files=()
for n in 0 1 $((mib - 1)) $((mib + 1)) $((6 * mib)) $((12 * mib + 1)) 39000777; do
  head -c "$n" /dev/urandom >"$scratch/f$n"; files+=("$scratch/f$n")
done
java dfs "$url" -D dfs.blocksize=2m -put "${files[@]}" /rs63/
java dfs "$url" -D dfs.blocksize=2m -put "${files[@]}" /rs32/
big=$scratch/f39000777

# nobody is missing
for d in rs63 rs32; do
  for file in "${files[@]}"; do
    reader "/$d/${file##*/}" "$file" 0 1 >"$scratch/said" || fail "/$d/${file##*/}: $(cat "$scratch/said")"
  done
done
"$dfs" -fs "$url" -get /rs63/f39000777 "$scratch/back" && cmp "$scratch/back" "$big" || fail "-get"
"$dfs" -fs "$url" -cat /rs32/f39000777 | cmp - "$big" || fail "-cat"

# one after the other goes away while readers are at work: killed, stopped, killed
around() { # NAME FILE COMMAND...: readers of FILE read on while COMMAND strikes
  local name=$1 file=$2 pid; shift 2
  reader "$file" "$big" "$seconds" 7 >"$scratch/said.$name" & pid=$!
  sleep 1
  "$@"
  wait $pid || fail "$name: $(cat "$scratch/said.$name")"
  [ "$(longest "$scratch/said.$name")" -lt 6000 ] || fail "$name: a call took long: $(cat "$scratch/said.$name")"
  echo "$name: $(cat "$scratch/said.$name")"
}
around "first killed" /rs63/f39000777 signal KILL 0
around "second stopped" /rs63/f39000777 signal STOP 1
around "both, and policy 3+2" /rs32/f39000777 true
around "third killed" /rs63/f39000777 signal KILL 2
"$dfs" -fs "$url" -cat /rs63/f39000777 | cmp - "$big" || fail "-cat without three nodes"

# the fourth is one too many
signal KILL 3
start=$SECONDS
"$dfs" -fs "$url" -D dfs.client.max.block.acquire.failures=1 -D dfs.client.socket-timeout=3000 -cat /rs63/f39000777 >/dev/null 2>"$scratch/err" &&
  fail "a file is read from five of nine nodes"
[ $((SECONDS - start)) -le 25 ] || fail "the error came after $((SECONDS - start)) s"
grep -q 'Could not obtain block: .*:blk_-[0-9]*_[0-9]* file=/rs63/f39000777.* 5 of 9 units are left and 6 are needed; index [0-8]: 127.0.0.1:' \
  "$scratch/err" || fail "the error: $(cat "$scratch/err")"

# all are back; a bit of a data cell flips on a disk
signal CONT 1
for i in 0 2 3; do
  "$cluster" datanode "$dir" --namenode "${url#hdfs://}" --port $((base + 10 + 3 * i)) --name dn$i --no-wait
done
back() { reader /rs63/f39000777 "$big" 0 2 >/dev/null; }
wait_until 30 back || fail "not readable again"
head -c $mib "$big" >"$scratch/cell"
rotten=
for file in $(find "$dir"/dn?.data -path '*finalized*' -name 'blk_-*' ! -name '*.meta'); do
  head -c $mib "$file" | cmp -s - "$scratch/cell" && rotten=$file
done
[ -n "$rotten" ] || fail "the first cell of the file is nowhere"
byte=$(od -An -tu1 -j777777 -N1 "$rotten")
printf "\\x$(printf %x $((byte ^ 8)))" | dd of="$rotten" bs=1 seek=777777 conv=notrunc status=none
for d in rs63 rs32; do # it is in one of them
  "$dfs" -fs "$url" -cat /$d/f39000777 | cmp - "$big" || fail "a read of a rotten cell"
done
told() { # or it is mended already
  "$dfs" admin -fs "$url" -report 2>/dev/null | grep -q 'Block groups with corrupt internal blocks: [1-9]' ||
    ! [ -f "$rotten" ] || head -c $mib "$rotten" | cmp -s - "$scratch/cell"
}
wait_until 10 told || fail "nobody told the NameNode about ${rotten##*/}"
echo "rot was told"
