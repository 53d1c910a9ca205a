#!/usr/bin/env bash
# libdfs against our servers: sizes around every edge, seeks, many readers, flushed bytes seen by others, error codes.
. "$(dirname "$0")/lib.sh"
start_cluster 3
"$HADRON_BIN/dfs_roundtrip" "$url" "${SEED:-1}"
