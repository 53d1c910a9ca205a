#!/usr/bin/env bash
# The audit log: Hadoop's shell does the same lines on our NameNode and on a real one; the lines of both logs are equal but
# for their time. Denied calls, proxy users, caller contexts and odd names are among them.
. "$(dirname "$0")/lib.sh"

# Lines: [user=NAME[/PROXY]] words
lines() { cat <<'LINES'
-mkdir /a /a/b /home
-mkdir -p /a/deep/er/one
-mkdir /a
-touchz /a/f /a/g
-ls /
-ls -R /a
-ls /nothing
-stat %n /a/f
-test -e /nothing
-cat /a/f
-chmod 640 /a/f
-chmod 1777 /home
-chown alice:staff /a/f
-chgrp other /a/g
-setrep 2 /a/f
-setrep 2 /a/b
-touch -t 20200101:000000 /a/g
-mv /a/g /a/b
-mv /a/b/g /a/h
-mv /a/nothing /a/i
-rename /a/h /a/k
-cp /a/f /a/copy
-du -s /a
-count -q /a
-setfacl -m user:bob:rwx /a/f
-getfacl /a/f
-setfacl -x user:bob /a/f
-setfacl -b /a/f
-setfacl -k /a/deep
-setfacl --set user::rwx,group::r--,other::r--,user:amy:r-x /a/f
-setfattr -n user.x -v y /a/f
-getfattr -d /a/f
-getfattr -n user.x /a/f
-setfattr -x user.x /a/f
-setfattr -x user.x /a/f
-mkdir /a/süß
-mkdir /a/q"uo\te
user=alice -ls /a/deep
user=alice -mkdir /a/no
user=alice -mkdir /home/alice
user=alice -touchz /home/alice/f
user=alice -chmod 700 /home/alice
user=alice -chmod 777 /a
user=alice -chown bob /home/alice
user=bob -ls /home/alice
user=bob -cat /home/alice/f
user=bob -rm /home/alice/f
user=bob -rm -r -skipTrash /a/deep
user=bob -mv /home/alice /home/bob
user=bob -touchz /a/f
user=bob -setfacl -m user:bob:rwx /a/f
user=bob -setrep 3 /a/copy
user=bob dfsadmin -safemode enter
user=bob dfsadmin -report
user=bob dfsadmin -setQuota 5 /a
ec -listPolicies
ec -listCodecs
ec -enablePolicy -policy XOR-2-1-1024k
ec -enablePolicy -policy XOR-2-1-1024k
ec -enablePolicy -policy none
ec -disablePolicy -policy XOR-2-1-1024k
ec -disablePolicy -policy XOR-2-1-1024k
ec -addPolicies -policyFile SCRATCH/policies.xml
ec -removePolicy -policy RS-4-2-64k
ec -removePolicy -policy XOR-2-1-1024k
ec -setPolicy -path /a/deep
ec -setPolicy -path /a/f
ec -setPolicy -path /a/nothing
ec -getPolicy -path /a/deep
ec -getPolicy -path /a/nothing
ec -verifyClusterSetup -policy RS-6-3-1024k
user=bob ec -listPolicies
user=bob ec -enablePolicy -policy XOR-2-1-1024k
user=bob ec -disablePolicy -policy XOR-2-1-1024k
user=bob ec -addPolicies -policyFile SCRATCH/policies.xml
user=bob ec -removePolicy -policy RS-4-2-64k
user=bob ec -setPolicy -path /a/deep
user=bob ec -unsetPolicy -path /a/deep
user=bob ec -getPolicy -path /home/alice
ec -unsetPolicy -path /a/deep
ec -unsetPolicy -path /a/deep
user=alice/helper -ls /
user=alice/helper -mkdir /home/alice/by
user=alice/helper -ls /home/alice
user=carl/helper -ls /
user=bob/helper -ls /
user=alice/bob -ls /
dfsadmin -setQuota 100 /a
dfsadmin -setSpaceQuota 1g /a
dfsadmin -clrQuota /a
dfsadmin -clrSpaceQuota /a
dfsadmin -report
dfsadmin -rollEdits
dfsadmin -safemode enter
dfsadmin -safemode get
-mkdir /a/safe
dfsadmin -saveNamespace
dfsadmin -safemode leave
-rm -r -skipTrash /a/deep
-rm -skipTrash /a/nothing
-rmdir /a/b
-rmdir /a
LINES
}

prepare() { # tabs between words, user and an empty standard input before them
  local words user
  while read -r -a words; do
    user=
    case ${words[0]} in user=*) user=${words[0]#user=}; words=("${words[@]:1}") ;; esac
    (IFS=$'\t'; printf '%s\t\t%s\n' "$user" "${words[*]}")
  done
}

settings=("hadoop.user.group.static.mapping.overrides=alice=staff;bob=other;carl=loud;helper=helpers"
  hadoop.proxyuser.helper.users=alice hadoop.proxyuser.helper.groups=loud hadoop.proxyuser.helper.hosts=127.0.0.1
  hadoop.caller.context.enabled=true dfs.namenode.accesstime.precision=0)

run() { # NAME URL
  mkdir "$scratch/$1"
  HADOOP_PEER_CP=$scratch "$peer" class ShellLines "$2" "$scratch/lines" "$scratch/$1" >"$scratch/$1.log" 2>&1 ||
    fail "the lines on $1: $(tail -5 "$scratch/$1.log")"
}
only_lines() { sed -n 's/^[0-9-]* [0-9:,]* INFO [A-Za-z.]*audit: //p' "$1"; }

printf '<configuration><layoutversion>1</layoutversion><schemas><schema id="a"><codec>rs</codec><k>4</k><m>2</m></schema>
<schema id="b"><codec>rs</codec><k>3</k><m>1</m></schema></schemas><policies><policy><schema>a</schema><cellsize>65536</cellsize></policy>
<policy><schema>b</schema><cellsize>1024</cellsize></policy></policies></configuration>' >"$scratch/policies.xml"
lines | sed "s|SCRATCH|$scratch|" | prepare >"$scratch/lines"
javac -cp "$("$peer" classpath)" -d "$scratch" "$here/ShellLines.java" || fail "javac"

dir=$scratch/ours; base=$(free_base); clusters+=("$dir")
"$cluster" namenode "$dir" "$base" "${settings[@]}" "hadron.namenode.audit.log=$scratch/audit.log" >/dev/null ||
  fail "our NameNode does not start"
run hadron "hdfs://127.0.0.1:$base"

theirs=$scratch/theirs; other=$((base + 30))
at_end() { "$peer" stop "$theirs"; }
cp "$("$peer" fetch)/log4j.properties" "$scratch/log4j.properties"
echo log4j.logger.org.apache.hadoop.hdfs.server.namenode.FSNamesystem.audit=INFO >>"$scratch/log4j.properties"
HADOOP_PEER_OPTS="-Dlog4j.configuration=file:$scratch/log4j.properties" "$peer" namenode "$theirs" "$other" "${settings[@]}" \
  >"$scratch/theirs.log" 2>&1 || fail "the real NameNode does not start: $(tail -3 "$scratch/theirs.log")"
run hadoop "hdfs://127.0.0.1:$other"

only_lines "$theirs/nn.log" >"$scratch/hadoop.audit"
only_lines "$scratch/audit.log" >"$scratch/hadron.audit"
[ "$(wc -l <"$scratch/hadoop.audit")" -gt 100 ] || fail "the real NameNode wrote $(wc -l <"$scratch/hadoop.audit") lines only"
diff "$scratch/hadoop.audit" "$scratch/hadron.audit" >"$scratch/diff" ||
  fail "the audit logs differ (<: Hadoop): $(cat "$scratch/diff")"
for rc in "$scratch"/hadoop/*.rc; do
  n=$(basename "$rc")
  cmp -s "$rc" "$scratch/hadron/$n" || fail "exit code of line ${n%.rc}: $(sed -n "${n%.rc}p" "$scratch/lines"): $(cat "$rc" "$scratch/hadron/$n")"
  cmp -s "${rc%.rc}.err" "$scratch/hadron/${n%.rc}.err" || grep -q dfsadmin <(sed -n "${n%.rc}p" "$scratch/lines") ||
    grep -q 127.0.0.1 "${rc%.rc}.err" || fail "errors of line ${n%.rc}: $(cat "${rc%.rc}.err" "$scratch/hadron/${n%.rc}.err")"
done

# moved away: the name is made anew, nothing is lost
mv "$scratch/audit.log" "$scratch/audit.1"; sleep 1.2
"$dfs" -fs "hdfs://127.0.0.1:$base" -ls / >/dev/null || fail "ls"
again() { grep -q 'cmd=listStatus.src=/.dst' "$scratch/audit.log" 2>/dev/null; }
wait_until 5 again || fail "no new file after rotation"
