#!/usr/bin/env bash
# The cluster in one process and the hdfs wrapper: starts, serves, exit codes, data that stays, signals, tidying up.
#   mini.sh [BIN]    BIN: folder with dfs and hdfs (default: HADRON_BIN, else build/dev/bin). Prints one line a check; exit 0 when all are good.
set -u
bin=$(cd "${1:-${HADRON_BIN:-$(dirname "$0")/../../build/dev/bin}}" && pwd) || exit 2
work=$(mktemp -d)
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
unset HADOOP_CONF_DIR
pid=""
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; wait; rm -rf "$work"' EXIT
failed=0
check() { # WHAT COMMAND...
    if "${@:2}"; then echo "ok: $1"; else echo "FAILED: $1"; failed=1; fi
}
is() { [ "$1" = "$2" ] || { echo "  $1, not $2"; return 1; }; }

head -c 3000000 /dev/urandom >"$work/data"
"$bin/dfs" mini --datanodes 2 --run sh -c "'$bin/dfs' -put '$work/data' /d && '$bin/hdfs' dfs -get /d '$work/back' && exit 7" 2>"$work/err"
check "the command's exit code" is $? 7
check "what was put comes back" cmp -s "$work/data" "$work/back"
check "nothing stays in the temporary folder" is "$(ls -A "$TMPDIR")" ""
"$bin/dfs" mini --datanodes 0 --run "$work/nothing" 2>/dev/null
check "a command that isn't there" is $? 127
"$bin/dfs" mini --nonsense 2>/dev/null
check "a wrong option" is $? 255

begin() { # OPTIONS...: a cluster in $work/keep; url and conf
    rm -f "$work/out"
    "$bin/dfs" mini --dir "$work/keep" --conf-out "$work/conf" "$@" >"$work/out" 2>"$work/err" &
    pid=$!
    for _ in $(seq 1 600); do
        [ "$(wc -l <"$work/out" 2>/dev/null)" = 3 ] && break
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.05
    done
    url=$(sed -n 1p "$work/out")
    export HADOOP_CONF_DIR=$work/conf
}
end() { # SIGNAL
    kill -"$1" "$pid"
    wait "$pid"
    local code=$?
    pid=""
    return $code
}
check "starts with a folder of its own" begin --datanodes 1
check "the written configuration leads there" is "$("$bin/hdfs" getconf -confKey fs.defaultFS)" "$url"
"$bin/dfs" -put "$work/data" /kept
"$bin/dfs" mini --dir "$work/keep" --datanodes 0 >/dev/null 2>"$work/second"
check "a second one on the same folder is refused" grep -q 'in use' "$work/second"
check "ends on SIGTERM" end TERM
check "starts again" begin --datanodes 1
check "the file is still there" is "$("$bin/dfs" -cat /kept | cksum)" "$(cksum <"$work/data")"
check "dfsadmin sees the DataNode" is "$("$bin/hdfs" dfsadmin -report | grep -c '^Name: ')" 1
check "ends on SIGINT" end INT
check "starts empty with --format" begin --datanodes 1 --format -D dfs.replication=1
"$bin/dfs" -test -e /kept
check "the file is gone" is $? 1
check "ends once more" end TERM
"$bin/hdfs" zkfc >/dev/null 2>&1
check "what isn't there yet says so by its exit code" is $? 255
check "the version" test "$("$bin/hdfs" version | cut -d' ' -f1)" = Hadron
exit $failed
