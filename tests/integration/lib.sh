# lib.sh - what every integration script sources: a scratch folder, a cluster of ours, and a clean end whatever happens.
# Scripts exit 0 when all holds, 1 with one line that says what did not; they leave no process, mount or file.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
export HADRON_BIN=${HADRON_BIN:-$top/build/dev/bin}
cluster=$top/tests/cluster
peer=$top/tests/peer/hadoop
dfs=$HADRON_BIN/dfs
scratch=$(mktemp -d "${TMPDIR:-/tmp}/hadron-test.XXXXXX")
clusters=()
taken=${TMPDIR:-/tmp}/hadron-test-ports # a file for each range of ports, with the process id of its script
at_end() { :; }

finish() {
  local rc=$? d
  at_end
  for d in ${clusters[@]+"${clusters[@]}"}; do
    "$cluster" stop "$d"
    grep -l 'ERROR: \(Address\|Leak\|Undefined\)Sanitizer\|runtime error:\|WARNING: ThreadSanitizer\|check failed' "$d"/*.log 2>/dev/null | while read -r log; do
      echo "sanitizer report or failed check in $log:" >&2
      grep -m1 -A25 'Sanitizer\|runtime error:\|check failed' "$log" >&2
    done | tee "$scratch/sanitizer" >&2
    [ -s "$scratch/sanitizer" ] && rc=1
    [ "$rc" = 0 ] || tail -n 5 "$d"/*.log >&2
  done
  grep -o " $scratch/[^ ]*" /proc/mounts | while read -r mounted; do umount "$mounted"; done
  rm -rf "$scratch"
  grep -lx "$$" "$taken"/* 2>/dev/null | xargs -r rm -f; rmdir "$taken" 2>/dev/null
  exit "$rc"
}
trap finish EXIT
trap 'exit 1' INT TERM

fail() { echo "FAILED: $*" >&2; exit 1; }

free_base() { # the first of 60 consecutive ports that nobody listens on, and that no other script has taken
  local base p ok
  while :; do
    mkdir -p "$taken"
    base=$((20000 + RANDOM % 100 * 100)); ok=1
    (set -C; echo $$ >"$taken/$base") 2>/dev/null || { kill -0 "$(cat "$taken/$base" 2>/dev/null)" 2>/dev/null || rm -f "$taken/$base"; continue; }
    for p in 0 1 10 11 12 13 14 15 16 17 18 19 20 21 22 30 31 32 40 41 42; do
      (exec 3<>"/dev/tcp/127.0.0.1/$((base + p))") 2>/dev/null && { ok=0; break; }
    done
    [ $ok = 1 ] && { echo "$base"; return; }
    rm -f "$taken/$base"
  done
}

start_cluster() { # N_DATANODES [k=v..]: sets dir, base, url
  local n=$1; shift
  dir=$scratch/cluster${#clusters[@]}; base=$(free_base); clusters+=("$dir")
  url=$("$cluster" start "$dir" "$n" "$base" "$@") || fail "the cluster does not start"
}

start_nodes() { # [KIND [k=v..]]: as start_cluster 3, with the DataNodes ours, "java" ones of a real Hadoop, or "mixed"
  local kind=${1:-ours} ours=3 i; shift $(($# > 0))
  case $kind in java) ours=0 ;; mixed) ours=2 ;; esac
  [ $ours = 3 ] && { start_cluster 3 "$@"; return; }
  dir=$scratch/cluster${#clusters[@]}; base=$(free_base); clusters+=("$dir"); url=hdfs://127.0.0.1:$base
  at_end() { "$peer" stop "$dir/java" 2>/dev/null; }
  "$cluster" namenode "$dir" "$base" "$@" || fail "the NameNode does not start"
  for ((i = 0; i < 3; i++)); do
    if [ $i -lt $ours ]; then "$cluster" datanode "$dir" --namenode "127.0.0.1:$base" --port $((base + 10 + 3 * i)) --name dn$i
    else "$peer" datanode "$dir/java" --namenode "127.0.0.1:$base" --port $((base + 40)) --name dn$i --no-wait; base=$((base + 3)); fi
  done
  base=${url##*:}
  "$cluster" live "$dir" 3 || fail "the DataNodes do not register"
}

wait_until() { # SECONDS COMMAND...
  local deadline=$((SECONDS + $1)); shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.2
  done
}
