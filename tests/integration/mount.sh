#!/usr/bin/env bash
# dfs-mount with ordinary programs: trees in and out, renames, the ways a shell writes files, clean errors, a clean end.
#   mount.sh [URL]    URL: a running file system (default: a cluster of ours, started here)
. "$(dirname "$0")/lib.sh"
[ -c /dev/fuse ] || fail "no /dev/fuse: this machine or container has no FUSE, so nothing can be mounted"
command -v fusermount3 >/dev/null || fail "no fusermount3: install the package fuse3"
mount=$HADRON_BIN/dfs-mount
[ -x "$mount" ] || fail "no dfs-mount in $HADRON_BIN"

mountpoints=()
at_end() {
  local p
  for p in ${mountpoints[@]+"${mountpoints[@]}"}; do
    mountpoint -q "$p" 2>/dev/null && { fusermount3 -u "$p" 2>/dev/null || fusermount3 -u -z "$p"; }
  done
}
expect() { # WORDS COMMAND...: the command fails and says WORDS
  local words=$1; shift
  if "$@" >"$scratch/said" 2>&1; then fail "succeeds: $*"; fi
  grep -q "$words" "$scratch/said" || fail "$* says $(cat "$scratch/said")"
}
gone() { ! mountpoint -q "$1"; }
no_mount_process() { ! pgrep -f "dfs-mount.* $scratch/" >/dev/null; }

if [ $# -ge 1 ]; then url=$1; else start_cluster 3; fi
mnt=$scratch/mnt; mkdir "$mnt"; mountpoints+=("$mnt")

# what is wrong is said before the terminal is given back
expect 'usage\|mount point' "$mount"
expect 'no/such/place' "$mount" "$url" "$scratch/no/such/place"
expect 'refused\|connect' "$mount" -D ipc.client.connect.max.retries=0 hdfs://127.0.0.1:1 "$mnt"
expect 'no/such/folder' "$mount" "$url/no/such/folder" "$mnt"
expect 'unknown mount option' "$mount" -o sideways "$url" "$mnt"
gone "$mnt" || fail "a mount that failed is there"

"$mount" -l "$scratch/mount.log" -D dfs.blocksize=1048576 "$url" "$mnt" || fail "mount"
mountpoint -q "$mnt" || fail "$mnt is not mounted"
d=$mnt/mount-test.$$
mkdir "$d" || fail "mkdir"

# a tree in and out: several blocks, empty files, names that shells dislike, old times
tree=$scratch/tree
mkdir -p "$tree/a/b/c" "$tree/empty" "$tree/with blank"
head -c 5000000 /dev/urandom >"$tree/a/large"
head -c 1048576 /dev/urandom >"$tree/a/one block"
printf 'x' >"$tree/a/b/tiny"; : >"$tree/a/b/c/nothing"
printf 'umlaut\n' >"$tree/with blank/gr\303\274\303\237e"
for i in $(seq 40); do echo "$i" >"$tree/a/b/f$i"; done
chmod 640 "$tree/a/b/tiny"; chmod 750 "$tree/empty"
touch -d '2001-02-03 04:05:06' "$tree/a/large" "$tree/empty"
cp -rp "$tree" "$d/in" || fail "cp -rp in"
diff -r "$tree" "$d/in" || fail "the tree differs in place"
cp -r "$d/in" "$scratch/out" || fail "cp -r out"
diff -r "$tree" "$scratch/out" || fail "the tree differs after in and out"
for f in a/large empty a/b/tiny; do
  [ "$(stat -c '%a %Y %F' "$tree/$f")" = "$(stat -c '%a %Y %F' "$d/in/$f")" ] || fail "mode or time of $f: $(stat "$d/in/$f")"
done
[ "$(find "$tree" | wc -l)" = "$(find "$d/in" | wc -l)" ] || fail "find counts"
tail -c 1500000 "$tree/a/large" | cmp - <(tail -c 1500000 "$d/in/a/large") || fail "a read in the middle"
(cd "$tree" && tar c .) | (mkdir "$d/tar" && cd "$d/tar" && tar x) || fail "tar"
diff -r "$tree" "$d/tar" || fail "the tree differs after tar"

# the ways of shells: inherited and duplicated descriptors must stay writable until the last one is closed
echo one >"$d/sh"; [ "$(cat "$d/sh")" = one ] || fail "echo"
echo two >"$d/sh"; [ "$(cat "$d/sh")" = two ] || fail "echo over a file"
{ /bin/echo a; echo b; /bin/echo c; } >"$d/sh" || fail "commands with one output"
[ "$(tr -d '\n' <"$d/sh")" = abc ] || fail "commands with one output: $(cat "$d/sh")"
exec 7>"$d/sh"; echo x >&7; /bin/echo y >&7; echo z >&7; exec 7>&-
[ "$(tr -d '\n' <"$d/sh")" = xyz ] || fail "exec with a descriptor: $(cat "$d/sh")"
(sleep 0.3; echo late) >"$d/background" & wait
[ "$(cat "$d/background")" = late ] || fail "a background job"
: >"$d/empty file"; [ -f "$d/empty file" ] && [ ! -s "$d/empty file" ] || fail "an empty file"
echo filled >>"$d/empty file"; [ "$(cat "$d/empty file")" = filled ] || fail "the first >> of an empty file"
touch -d '2010-01-01 00:00:00 UTC' "$d/sh"; [ "$(stat -c %Y "$d/sh")" = 1262304000 ] || fail "touch"
dd if="$tree/a/large" of="$d/dd" bs=300000 conv=fsync 2>/dev/null && cmp "$tree/a/large" "$d/dd" || fail "dd conv=fsync"
exec 7>"$d/growing"; echo 12345 >&7
[ "$(stat -c %s "$d/growing")" = 6 ] || fail "the size of a file that is being written: $(stat -c %s "$d/growing")"
exec 7>&-

# rename and remove as POSIX has them
echo new >"$d/new"; echo old >"$d/old"
mv "$d/new" "$d/old" && [ "$(cat "$d/old")" = new ] && [ ! -e "$d/new" ] || fail "rename over a file"
mv -n "$d/old" "$d/sh"; [ -e "$d/old" ] || fail "mv -n"
mkdir "$d/dir" "$d/full"; echo k >"$d/full/k"
expect 'not empty' mv -T "$d/dir" "$d/full"
expect 'directory' mv -T "$d/old" "$d/dir"
mv "$d/full" "$d/dir" && [ "$(cat "$d/dir/full/k")" = k ] || fail "rename of a folder"
exec 7>"$d/dir/open"; echo 1 >&7; mv "$d/dir" "$d/moved" || fail "rename above an open file"; echo 2 >&7; exec 7>&-
[ "$(tr -d '\n' <"$d/moved/open")" = 12 ] || fail "a file written while it moved"
expect 'not empty' rmdir "$d/moved"
rm -r "$d/moved" && [ ! -e "$d/moved" ] || fail "rm -r"
chmod 600 "$d/old" && [ "$(stat -c %a "$d/old")" = 600 ] || fail "chmod"
umask 027; mkdir "$d/masked"; echo >"$d/masked/f"; umask 022
[ "$(stat -c %a "$d/masked") $(stat -c %a "$d/masked/f")" = '750 640' ] || fail "umask: $(stat -c %a "$d/masked" "$d/masked/f")"
df "$mnt" >/dev/null || fail "df"

# many at a time
mkdir "$d/parallel"
for i in 1 2 3 4; do cp "$tree/a/large" "$d/parallel/$i" & cat "$d/in/a/large" >"$scratch/read$i" & done; wait
for i in 1 2 3 4; do
  cmp "$tree/a/large" "$d/parallel/$i" && cmp "$tree/a/large" "$scratch/read$i" || fail "parallel copies"
done

# appending and cutting
echo more >>"$d/old" || fail "append"
[ "$(cat "$d/old")" = $'new\nmore' ] || fail "what was appended: $(cat "$d/old")"
chmod 640 "$d/old"; truncate -s 5 "$d/old" && [ "$(cat "$d/old")" = $'new\nm' ] || fail "truncate to 5 bytes: $(cat "$d/old")"
echo end >>"$d/old" && [ "$(cat "$d/old")" = $'new\nmend' ] || fail "append after truncate: $(cat "$d/old")"
exec 7<>"$d/old" 8>>"$d/old"
echo one >&8; mv "$d/old" "$d/renamed"; echo two >&8; sync "$d/renamed" || fail "sync of an open file"
exec 8>&- 7>&-
[ "$(cat "$d/renamed")" = $'new\nmend\none\ntwo' ] || fail "append across a rename: $(cat "$d/renamed")"
mv "$d/renamed" "$d/old"
head -c 3M /dev/urandom >"$scratch/log"; split -b 300001 "$scratch/log" "$scratch/part."
for part in "$scratch"/part.*; do cat "$part" >>"$d/log" || fail "append of a piece"; done
cmp "$scratch/log" "$d/log" || fail "a file made of appends"
truncate -s 1048577 "$d/log"; truncate -s 1048577 "$scratch/log"
cmp "$scratch/log" "$d/log" || fail "a file cut in its second block"
truncate -s 0 "$d/old" && [ ! -s "$d/old" ] && [ "$(stat -c %a "$d/old")" = 640 ] || fail "truncate to nothing"

# what HDFS has not, with an errno that says so
expect 'not supported' truncate -s 2000 "$d/old"
expect 'not permitted' ln -s target "$d/link"
expect 'not permitted' ln "$d/sh" "$d/hard"
expect 'not permitted' mkfifo "$d/fifo"
expect 'No such file' cat "$d/none"
expect 'File exists' mkdir "$d/masked"
expect 'not supported' dd if=/dev/zero of="$d/sh" bs=1 count=1 seek=100 conv=notrunc

# more entries than a page of a listing
mkdir "$d/many" && (cd "$d/many" && seq 1200 | xargs mkdir) || fail "1200 folders"
[ "$(ls "$d/many" | wc -l)" = 1200 ] || fail "ls sees $(ls "$d/many" | wc -l) of 1200"
[ "$(ls -U "$d/many" | sort -u | wc -l)" = 1200 ] || fail "entries are shown twice"

# a folder of it, read-only, at the same time
ro=$scratch/ro; mkdir "$ro"; mountpoints+=("$ro")
"$mount" -o ro "$url/mount-test.$$/in" "$ro" || fail "a read-only mount"
diff -r "$tree" "$ro" || fail "the read-only mount differs"
expect 'Read-only' touch "$ro/x"
fusermount3 -u "$ro" && gone "$ro" || fail "unmounting"

# SIGTERM: unmounted, and what was written is there
"$mount" -f "$url" "$ro" 2>"$scratch/fg.log" & pid=$!
wait_until 30 mountpoint -q "$ro" || fail "the foreground mount: $(cat "$scratch/fg.log")"
exec 7>"$ro/mount-test.$$/unfinished"; echo kept >&7
kill -TERM $pid; wait $pid || fail "dfs-mount ends with $? after SIGTERM: $(cat "$scratch/fg.log")"
exec 7>&- 2>/dev/null
gone "$ro" || fail "still mounted after SIGTERM"
[ "$(cat "$d/unfinished")" = kept ] || fail "what was written before SIGTERM"

rm -r "$d" || fail "rm -r of everything"
fusermount3 -u "$mnt" && gone "$mnt" || fail "unmounting"
wait_until 20 no_mount_process || fail "a dfs-mount process is left"
! grep -h 'Sanitizer\|runtime error:\|check failed' "$scratch"/*.log || fail "a sanitizer report"
echo "mount: ok"
