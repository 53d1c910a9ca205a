#!/usr/bin/env bash
# Quotas: the same seeded operations by Hadoop's client on our cluster and on a real one: the same results, refusals and texts,
# the same usage after each. Then ours counts the same after a restart from the journal and one from an image.
# QUOTA_STEPS (300), QUOTA_SEED (1), QUOTA_POLICIES (1; 0: without): storage policies, which decide the types of space, are among them.
. "$(dirname "$0")/lib.sh"
steps=${QUOTA_STEPS:-300} seed=${QUOTA_SEED:-1} policies=${QUOTA_POLICIES:-1}
real=$scratch/real
at_end() { "$peer" stop "$real" >/dev/null 2>&1; }

start_cluster 1
other=$(HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1" "$peer" start "$real" 1 "$(free_base)") || fail "the real cluster does not start"
mkdir -p "$scratch/classes"
javac -cp "$("$peer" classpath)" -d "$scratch/classes" "$here/Quotas.java" || fail "javac"
run() { HADOOP_PEER_CP=$scratch/classes "$peer" class Quotas "$1" "$seed" "$steps" "$policies" >"$2" 2>"$2.err" || { tail -n 5 "$2.err" >&2; fail "Quotas on $1"; }; }
run "$url" "$scratch/ours" &
run "$other" "$scratch/theirs" &
wait -n || exit 1; wait -n || exit 1
diff "$scratch/theirs" "$scratch/ours" >"$scratch/diff" || { head -n 20 "$scratch/diff" >&2; fail "$(grep -c '^>' "$scratch/diff") of $((2 * steps)) lines differ (theirs <, ours >)"; }
for text in NSQuotaExceeded DSQuotaExceeded $([ "$policies" = 0 ] || echo QuotaByStorageTypeExceeded); do
  grep -q "^$text" "$scratch/ours" || fail "$text did not happen"
done

usage() { "$peer" dfs "$url" -count -q -h / /q '/q/*' 2>/dev/null; "$peer" dfs "$url" -count -q -t SSD,ARCHIVE / /q '/q/*' 2>/dev/null; }
usage >"$scratch/before"
"$cluster" restart-namenode "$dir" >/dev/null || fail "no restart from the journal"
usage >"$scratch/journal"
cmp "$scratch/before" "$scratch/journal" || fail "usage differs after a restart: $(diff "$scratch/before" "$scratch/journal")"
"$cluster" dfs "$url" admin -safemode enter >/dev/null && "$cluster" dfs "$url" admin -saveNamespace >/dev/null || fail "saveNamespace"
"$cluster" restart-namenode "$dir" >/dev/null || fail "no restart from the image"
usage >"$scratch/image"
cmp "$scratch/before" "$scratch/image" || fail "usage differs after a restart from the image: $(diff "$scratch/before" "$scratch/image")"
