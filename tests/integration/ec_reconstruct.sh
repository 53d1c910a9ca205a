#!/usr/bin/env bash
# Lost internal blocks: DataNodes of ours and of Hadoop hold files that Hadoop's shell wrote, some units are damaged, a node goes
# away with all it had, and a writer dies. What was lost must come back byte for byte, damaged sources must be seen, the
# dead writer's file must keep its last partial stripe, and all files must read well. Options: NAMENODE=java (a
# real Hadoop one), NODES="ours java" (7 0), MIB (size of the largest file),
# POLICY (RS-3-2-1024k), KILL (nodes that go, 1; with fewer than parity units others are damaged, too).
. "$(dirname "$0")/lib.sh"
read -r ours java <<<"${NODES:-7 0}"
policy=${POLICY:-RS-3-2-1024k}; kill=${KILL:-1}
IFS=- read -r _ k m _ <<<"$policy"; stripe=$((k * 1048576))
dir=$scratch/cluster; base=$(free_base); clusters+=("$dir"); url=hdfs://127.0.0.1:$base
writer=
at_end() { [ -z "$writer" ] || kill -9 "$writer" 2>/dev/null; "$peer" stop "$dir/java" 2>/dev/null; }
hadoop() { "$peer" dfs "$url" "$@" 2>/dev/null; }
units() { find "$dir" -path '*/finalized/*' -name 'blk_-*' ! -name '*.meta' "$@"; }
sums() { units -exec sha1sum {} + 2>/dev/null | sed 's|\([0-9a-f]*\) .*/\(blk_-[0-9]*\)$|\2 \1|' | sort -u; }

mkdir -p "$dir"
settings=(dfs.namenode.heartbeat.recheck-interval=500 dfs.namenode.reconstruction.pending.timeout-sec=8)
if [ "${NAMENODE:-ours}" = java ]; then "$peer" namenode "$dir/java" "$base" "${settings[@]}"; else "$cluster" namenode "$dir" "$base" "${settings[@]}"; fi || fail "the NameNode does not start"
for ((i = 0; i < ours + java; i++)); do
  if [ "$i" -lt "$ours" ]; then "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name "dn$i" --no-wait hadron.datanode.sync.on.close=false
  else "$peer" datanode "$dir/java" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name "dn$i" --no-wait; fi
done
if [ "${NAMENODE:-ours}" = java ]; then "$peer" live "$dir/java" $((ours + java)); else "$cluster" live "$dir" $((ours + java)); fi || fail "the DataNodes do not register"
"$peer" ec "$url" -enablePolicy -policy "$policy" >/dev/null 2>&1 || fail "no policy"
hadoop -mkdir /e && "$peer" ec "$url" -setPolicy -path /e -policy "$policy" >/dev/null 2>&1 || fail "no directory"

sizes=(1 1048576 1048577 $((stripe - 1)) $((stripe + 1)) $((${MIB:-10} * 1048576 + 12345)))
for s in "${sizes[@]}"; do head -c "$s" /dev/urandom >"$scratch/f$s"; done
head -c $((2 * stripe + 1300000)) /dev/urandom >"$scratch/tail"
exec 9> >(exec "$peer" dfs "$url" -put - /e/tail 2>/dev/null); writer=$!
cat "$scratch/tail" >&9
hadoop -put "$scratch"/f* /e || fail "put"

# the writer dies inside a stripe
begun() { [ "$(find "$dir" -path '*/rbw/*' -name 'blk_-*' -size +1800k ! -name '*.meta' | wc -l)" -ge $((k + m)) ]; }
recovered() { "$peer" class org.apache.hadoop.hdfs.tools.DebugAdmin -fs "$url" recoverLease -path "$url/e/tail._COPYING_" -retries 1 2>&1 | grep -q SUCCEEDED; }
wait_until 20 begun || fail "the writer doesn't write"
kill -9 "$writer"; writer=; exec 9>&-
wait_until 30 recovered || fail "the lease of the dead writer is not recovered"
least=$stripe; grep -hq 'group recovered' "$dir"/dn*.log && least=$((stripe + 1048576)) # Hadoop's DataNodes cut to full stripes

whole() { local out; out=$("$peer" fsck "$url" /e 2>/dev/null); grep -q "under path '/e' is HEALTHY" <<<"$out" && ! grep -q 'Missing internal blocks:[^0-9]*[1-9]' <<<"$out"; }
wait_until 30 whole || fail "parity is not made again"
sums >"$scratch/before"
victims=$(for ((i = 0; i < ours; i++)); do echo "$(units -path "*/dn$i.data/*" | wc -l) dn$i"; done | sort -rn | head -"$kill" | cut -d' ' -f2)
printf '/%s.data/\n' $victims >"$scratch/gone"
lost=$(units | grep -cFf "$scratch/gone")
[ "$lost" -gt 0 ] || fail "nothing to lose"
# a bit of one unit of each group that another node has, never the same byte twice
: >"$scratch/damaged"
[ "$kill" -ge "$m" ] || units -size +1000k | grep -vFf "$scratch/gone" | while read -r f; do id=${f##*blk_-}; echo "$(((id + 15) / 16)) $f"; done | sort -u -k1,1 | while read -r _ f; do
  b=$(od -An -tu1 -j 4321 -N1 "$f"); printf "\\x$(printf %02x $((b ^ 4)))" | dd of="$f" bs=1 seek=4321 conv=notrunc 2>/dev/null
  echo "${f##*/}" >>"$scratch/damaged"
done
for v in $victims; do kill -9 "$(cat "$dir/$v.pid")"; rm -rf "$dir/$v.pid" "$dir/$v.data"; done

# all units but those damaged ones that nobody had to read
seen() { grep -h 'a source of a reconstruction fails.*checksum error' "$dir"/dn*.log | grep -o 'block=-[0-9]*' | sed 's/block=/blk_/' | sort -u; }
restored() { sums >"$scratch/now"; seen >"$scratch/seen"
  comm -23 "$scratch/before" "$scratch/now" | cut -d' ' -f1 | grep -vxFf <(grep -vxFf "$scratch/seen" "$scratch/damaged") >"$scratch/missing"; [ ! -s "$scratch/missing" ]; }
SECONDS=0
wait_until 60 restored || fail "these units did not come back as they were: $(tr '\n' ' ' <"$scratch/missing")"
grep -hq 'internal blocks reconstructed' "$dir"/dn*.log || [ "$java" -gt 0 ] || fail "no DataNode of ours reconstructed anything"

mkdir "$scratch/got"; hadoop -get /e/* "$scratch/got" || fail "get"
for s in "${sizes[@]}"; do cmp "$scratch/got/f$s" "$scratch/f$s" || fail "f$s is not what was written"; done
n=$(stat -c %s "$scratch/got/tail._COPYING_")
cmp -n "$n" "$scratch/got/tail._COPYING_" "$scratch/tail" || fail "the dead writer's bytes are not what it wrote"
[ "$n" -ge $least ] || fail "only $n bytes of the dead writer's file are left"
wait_until 30 whole || fail "fsck: not healthy"
echo "ok: $lost units restored, $(wc -l <"$scratch/seen") damaged sources seen, $n bytes of a dead writer kept"
