#!/usr/bin/env bash
# Hadoop's own cases of its shell, with Hadoop's shell and with ours, on our servers; see tests/shell_cases/README.md.
. "$(dirname "$0")/lib.sh"
cases=$top/tests/shell_cases
start_cluster 1
posix=$url
start_cluster 1 dfs.namenode.posix.acl.inheritance.enabled=false
plain=$url

mkdir -p "$scratch/java" "$scratch/dfs" "$scratch/classes" "$scratch/report" "$scratch/xml"
jar=$(ls "$("$peer" src)"/hadoop-hdfs-*-test-sources.jar) || fail "no jar with the cases"
unzip -qoj -d "$scratch/xml" "$jar" 'test*.xml' || fail "no cases in $jar"
for side in java dfs; do
  unzip -qoj -d "$scratch/$side" "$jar" data15bytes data30bytes data60bytes data120bytes data1k || fail "no data in $jar"
done
javac -cp "$("$peer" classpath)" -d "$scratch/classes" "$cases/ShellCases.java" || fail "javac"

side() { # SHELL DATA: one argument of ShellCases
  local x=$scratch/xml one=dfs.replication=1
  printf '%s\t' "$1" "$2" "$posix" "$x/testHDFSConf.xml" $one "$posix" "$x/testAclCLIWithPosixAclInheritance.xml" \
    "$plain" "$x/testAclCLI.xml" "$posix" "$x/testXAttrConf.xml" $one \
    "$posix" "$x/testDeleteConf.xml" $one hadoop.shell.safely.delete.limit.num.files=5
}
export ASAN_OPTIONS=detect_leaks=0
HADOOP_PEER_CP=$scratch/classes "$peer" class ShellCases "$cases/excluded" "$scratch/report" \
  "$(side java "$scratch/java")" "$(side "$dfs" "$scratch/dfs")" 2>"$scratch/err"
rc=$?
cat "$scratch"/report/*.failed
[ $rc = 0 ] || { grep -v ' WARN ' "$scratch/err" | tail -n 20; fail "cases differ"; }
