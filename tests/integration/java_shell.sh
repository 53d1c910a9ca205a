#!/usr/bin/env bash
# Hadoop's own shell against our servers: every command of a day's work, contents and checksums compared.
# The file's size: JAVA_SHELL_MIB (64).
. "$(dirname "$0")/lib.sh"
mib=${JAVA_SHELL_MIB:-64}
hdfs() { "$peer" dfs "$url" "$@" 2>"$scratch/err" || { cat "$scratch/err" >&2; fail "hdfs dfs $*"; }; }

start_cluster 3
head -c "${mib}M" /dev/urandom >"$scratch/big"
printf 'hello\n' >"$scratch/small"

hdfs -mkdir -p /a/b
hdfs -put "$scratch/big" /a/big
hdfs -put "$scratch/small" /a/b/small
hdfs -get /a/big "$scratch/back"
cmp "$scratch/big" "$scratch/back" || fail "-get differs from what was put"
hdfs -cat /a/big | cmp - "$scratch/big" || fail "-cat differs from what was put"
hdfs -ls -R / >"$scratch/ls"
grep -q "3 .* $((mib * 1048576)) .* /a/big$" "$scratch/ls" || fail "-ls -R: $(cat "$scratch/ls")"
[ "$(hdfs -du -s /a | awk '{print $1, $2}')" = "$((mib * 1048576 + 6)) $((3 * (mib * 1048576 + 6)))" ] || fail "-du -s: $(hdfs -du -s /a)"
hdfs -count / | grep -Eq "^ +3 +2 +$((mib * 1048576 + 6)) /$" || fail "-count: $(hdfs -count /)"
hdfs -df / | grep -q "^$url " || fail "-df: $(hdfs -df /)"
hdfs -mv /a/b /moved
hdfs -test -e /moved/small
hdfs -chmod 640 /moved/small
hdfs -ls /moved | grep -q '^-rw-r-----' || fail "-chmod: $(hdfs -ls /moved)"
hdfs -setrep -w 2 /moved/small >/dev/null
[ "$(hdfs -stat %r /moved/small)" = 2 ] || fail "-setrep"

# the checksum that a file has does not depend on who wrote it
hdfs -checksum /a/big >"$scratch/java.sum"
"$dfs" -fs "$url" -checksum /a/big >"$scratch/ours.sum" || fail "dfs -checksum"
cmp "$scratch/java.sum" "$scratch/ours.sum" || fail "checksums: $(cat "$scratch"/*.sum)"
"$dfs" -fs "$url" -put "$scratch/big" /a/ours || fail "dfs -put"
[ "$(hdfs -checksum /a/ours | cut -f2-)" = "$(cut -f2- "$scratch/java.sum")" ] || fail "checksum of a file that dfs wrote"
hdfs -cat /a/ours | cmp - "$scratch/big" || fail "Java reads what dfs wrote"
"$dfs" -fs "$url" -cat /a/big | cmp - "$scratch/big" || fail "dfs reads what Java wrote"

hdfs -rm -r -skipTrash /a >/dev/null
"$peer" dfs "$url" -test -e /a 2>/dev/null && fail "-rm -r left /a"
"$peer" dfs "$url" -cat /a/big >/dev/null 2>"$scratch/err" && fail "-cat of a deleted file succeeds"
grep -q 'No such file or directory' "$scratch/err" || fail "-cat of a deleted file: $(cat "$scratch/err")"

# Hadoop's offline viewers read our image and journal
"$cluster" dfs "$url" admin -safemode enter >/dev/null && "$cluster" dfs "$url" admin -saveNamespace >/dev/null || fail "saveNamespace"
"$cluster" dfs "$url" admin -safemode leave >/dev/null
hdfs -mkdir /after-the-image
image=$(ls "$dir"/name/current/fsimage_* | grep -v md5 | tail -1)
"$peer" class org.apache.hadoop.hdfs.tools.offlineImageViewer.OfflineImageViewerPB -p XML -i "$image" -o "$scratch/image.xml" >/dev/null 2>"$scratch/err" ||
  fail "oiv: $(cat "$scratch/err")"
grep -q '<name>small</name>' "$scratch/image.xml" || fail "oiv does not show /moved/small"
edits=$(ls "$dir"/name/current/edits_inprogress_* | tail -1)
cp "$edits" "$scratch/edits"
"$peer" class org.apache.hadoop.hdfs.tools.offlineEditsViewer.OfflineEditsViewer -i "$scratch/edits" -o "$scratch/edits.xml" >/dev/null 2>"$scratch/err" ||
  fail "oev: $(cat "$scratch/err")"
grep -q '<PATH>/after-the-image</PATH>' "$scratch/edits.xml" || fail "oev does not show the last mkdir"
