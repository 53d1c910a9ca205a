#!/usr/bin/env bash
# Appends to and cuts of files around the edges of chunks and blocks, with somebody reading along; then a restart of
# the NameNode, which must find the same. APPEND_ALL=1: every length from 0 to 1,025. DATANODES as in lease_recovery.sh.
. "$(dirname "$0")/lib.sh"
start_nodes "${DATANODES:-}"
"$HADRON_BIN/append_truncate" "$url" ${APPEND_ALL:+all} || exit 1
contents() { "$dfs" -fs "$url" -ls -R / && "$dfs" -fs "$url" -cat '/append_truncate/*' | cksum; }
contents >"$scratch/before"
"$cluster" restart-namenode "$dir" && "$cluster" live "$dir" 3 || fail "the NameNode does not start again"
contents >"$scratch/after"
cmp -s "$scratch/before" "$scratch/after" || { diff "$scratch/before" "$scratch/after" | head -5 >&2; fail "the NameNode remembers something else after a restart"; }

# cuts that the NameNode has only written down are finished by the next one
"$HADRON_BIN/append_truncate" "$url" begin || exit 1
kill -9 "$(cat "$dir/nn.pid")"
"$cluster" restart-namenode "$dir" && "$cluster" live "$dir" 3 || fail "the NameNode does not start after a kill"
"$HADRON_BIN/append_truncate" "$url" end || exit 1
