#!/usr/bin/env bash
# A writer whose lease was recovered by another client: it is told so at once, whatever it does next, and nothing that was flushed is lost.
# DATANODES=java or mixed for DataNodes of a real Hadoop instead of ours, or beside them.
. "$(dirname "$0")/lib.sh"
start_nodes "${DATANODES:-}"
"$HADRON_BIN/lease_lost" "$url" || fail "see above"
