#!/usr/bin/env bash
# Hadoop's contract suites; prints their own count.
. "$(dirname "$0")/lib.sh"
start_cluster 3
HADOOP_PEER=$peer CONTRACT_LOG=$scratch/contract "$top/tests/contract/run" "$url" ${SUITES:-Append Mkdir Delete Rename Open Seek GetFileStatus Create RootDirectory FileSystemContract}
