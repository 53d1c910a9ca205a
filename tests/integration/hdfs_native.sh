#!/usr/bin/env bash
# The Rust client of PyPI (hdfs-native) against our servers. PYTHON: an interpreter that has it.
. "$(dirname "$0")/lib.sh"
start_cluster 3 dfs.blocksize=1m
"${PYTHON:-python3}" - "$url" "$scratch" <<'PY' || fail "hdfs-native"
import os, subprocess, sys
from hdfs_native import Client, WriteOptions
url, scratch = sys.argv[1:]
client = Client(url)
data = os.urandom(5 * 1024 * 1024 + 12345)
client.mkdirs("/native/dir", 0o755, True)
with client.create("/native/file", WriteOptions(block_size=1024 * 1024)) as f:
    f.write(data)
assert client.get_file_info("/native/file").length == len(data)
with client.read("/native/file") as f:
    assert f.read() == data
names = sorted(s.path for s in client.list_status("/native", False))
assert names == ["/native/dir", "/native/file"], names
client.rename("/native/file", "/native/dir/moved", False)
client.set_permission("/native/dir/moved", 0o600)
assert client.get_file_info("/native/dir/moved").permission == 0o600
dfs = os.environ["HADRON_BIN"] + "/dfs"
assert subprocess.run([dfs, "-fs", url, "-cat", "/native/dir/moved"], stdout=subprocess.PIPE, check=True).stdout == data
with open(scratch + "/ours", "wb") as f:
    f.write(data[::-1])
subprocess.run([dfs, "-fs", url, "-put", scratch + "/ours", "/native/ours"], check=True)
with client.read("/native/ours") as f:
    assert f.read() == data[::-1]
assert client.delete("/native", True)
try:
    client.get_file_info("/native")
    raise SystemExit("deleted path still there")
except FileNotFoundError:
    pass
PY
