#!/usr/bin/env bash
# Power cuts of all machines at once: a NameNode and three DataNodes on one ext4, which is shut down under them at a random
# instant without writing anything back, while writers hsync, hflush and close. After each cut everything starts unattended,
# what close and hsync acknowledged is there, and no byte that nobody wrote. POWER_CUTS (2): how many.
. "$(dirname "$0")/lib.sh"
cuts=${POWER_CUTS:-2}
disk=$scratch/disk; mkdir "$disk"
dir=$disk/cluster; base=$(free_base); clusters+=("$dir")
attach() { mount -o loop "$scratch/disk.img" "$disk" || fail "the disk can't be mounted"; }
start() { "$cluster" start "$dir" 3 "$base" dfs.blocksize=1m >"$scratch/url" || fail "the cluster does not start $1"; }
gone() { ! kill -0 "${pids[@]}" 2>/dev/null; }
power_cut() { # EXT4_IOC_SHUTDOWN, which doesn't even write the journal back
  mapfile -t pids < <(cat "$dir"/nn.pid "$dir"/dn?.pid)
  python3 -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))' "$disk" || fail "the file system can't be shut down"
  kill -9 "${pids[@]}"
  wait_until 20 gone || fail "the servers don't die"
  umount "$disk" || fail "the disk is busy after the cut"
}
truncate -s 32G "$scratch/disk.img" # sparse, room for many cuts
mkfs.ext4 -q "$scratch/disk.img" || fail "mkfs.ext4"
mount -o loop "$scratch/disk.img" "$disk" || { echo "no file systems in files can be mounted here (root, loop devices)"; exit 77; }
start "at first"
for ((cut = 1; cut <= cuts; cut++)); do
  "$HADRON_BIN/ledger" "hdfs://127.0.0.1:$base" write $((RANDOM * 100 + cut)) 4 "$scratch/ledger" &
  writer=$!
  sleep $((2 + RANDOM % 4)).$((RANDOM % 100))
  kill -0 $writer || fail "the writers ended before power cut $cut"
  power_cut
  kill -9 $writer
  wait $writer 2>/dev/null
  attach
  start "after power cut $cut"
  "$HADRON_BIN/ledger" "hdfs://127.0.0.1:$base" verify "$scratch/ledger" || fail "promises are broken after power cut $cut"
done
