#!/usr/bin/env bash
# Rot on all replicas but one of every block: bits flipped in data and checksums, truncated, missing and swapped files.
# Reads stay right meanwhile; the scanners find all of it, the NameNode replaces each bad replica before it is removed,
# and no block is lost. ROT_BLOCKS: how many blocks (40).
. "$(dirname "$0")/lib.sh"
blocks=${ROT_BLOCKS:-40}
start_cluster 5 dfs.blocksize=64k dfs.datanode.directoryscan.interval=2 internal.dfs.datanode.scan.period.ms.key=2000 \
  dfs.block.scanner.volume.bytes.per.second=100m dfs.namenode.reconstruction.pending.timeout-sec=3 dfs.namenode.replication.max-streams=20 \
  dfs.namenode.replication.max-streams-hard-limit=40 dfs.namenode.replication.work.multiplier.per.iteration=20
head -c $((blocks * 65536)) /dev/urandom >"$scratch/in"
head -c 65536 /dev/urandom >"$scratch/other"
"$dfs" -fs "$url" -put "$scratch/in" /file || fail "put"
data_files() { find "$dir"/dn?.data -path '*finalized*' -name 'blk_*' ! -name '*.meta'; }
all_there() { [ "$(data_files | wc -l)" = $((3 * blocks)) ]; }
wait_until 20 all_there || fail "not all replicas are there"

flip() { # FILE OFFSET: another bit
  local byte; byte=$(od -An -tu1 -j"$2" -N1 "$1"); printf "\\x$(printf %x $((byte ^ 8)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
declare -A sum
i=0 rotten=0
mapfile -t names < <(data_files | xargs -n1 basename | sort -u)
for name in "${names[@]}"; do
  mapfile -t files < <(data_files | grep "/$name\$" | sort)
  for n in 0 1 2; do # the good one goes round
    [ $((i % 3)) = "$n" ] && continue
    file=${files[n]} meta=$(echo "${files[n]}"_*.meta)
    case $(((i / 3 + n) % 6)) in
      0) flip "$file" $((i * 997 % 65536)) ;;
      1) flip "$meta" $((7 + i * 13 % 500)) ;;
      2) truncate -s $((i * 499 % 65536)) "$file" ;;
      3) rm "$file" ;;
      4) rm "$meta" ;;
      5) head -c 65536 "$scratch/other" >"$file" ;; # another block's bytes under its name
    esac
    rotten=$((rotten + 1))
  done
  i=$((i + 1))
done
[ $rotten = $((2 * blocks)) ] || fail "only $rotten replicas are rotten"
"$dfs" -fs "$url" -cat /file | cmp - "$scratch/in" || fail "a read with rot everywhere"

# what stands in the folders: three whole replicas of each block, and nothing else
split -b 65536 -d -a 4 "$scratch/in" "$scratch/part."
for part in "$scratch"/part.*; do sum[$(md5sum <"$part")]=1; done
healed() {
  local file
  all_there || return 1
  for file in $(data_files); do
    [ "$(stat -c %s "$file"_*.meta 2>/dev/null)" = 519 ] && [ -n "${sum[$(md5sum <"$file")]-}" ] || return 1
  done
}
start=$SECONDS
until healed; do
  [ $((SECONDS - start)) -lt ${ROT_SECONDS:-50} ] || fail "not healed: $(data_files | wc -l) replicas of $blocks blocks"
  "$dfs" -fs "$url" -cat /file | cmp - "$scratch/in" || fail "a read while it heals"
  sleep 0.5
done
echo "healed $rotten replicas of $blocks blocks in $((SECONDS - start)) s"
report=$("$dfs" admin -fs "$url" -report) || fail "report"
for what in 'Missing blocks' 'Blocks with corrupt replicas' 'Under replicated blocks'; do
  wait_until 10 eval '"$dfs" admin -fs "$url" -report | grep -q "'"$what"': 0"' || fail "$what isn't 0: $report"
done
"$dfs" -fs "$url" -cat /file | cmp - "$scratch/in" || fail "the last read"

# what the nodes say of it
get() { exec 3<>"/dev/tcp/127.0.0.1/$1"; printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3; cat <&3; exec 3>&-; }
found=0
for n in 0 1 2 3 4; do
  page=$(get $((base + 11 + 3 * n)) /prom)
  for name in bad missing; do
    value=$(echo "$page" | sed -n "s/^hadron_datanode_scanner_$name \([0-9]*\).*/\1/p; s/^datanode_scanner_$name \([0-9]*\).*/\1/p" | head -n1)
    found=$((found + ${value:-0}))
  done
  get $((base + 11 + 3 * n)) /blockScannerReport | grep -q 'Blocks scanned since restart  *:  *[1-9]' || fail "the report of the block scanner of node $n"
done
[ $found -ge $rotten ] || fail "the nodes found $found bad replicas, $rotten were rotten"
