#!/usr/bin/env bash
# Changing ACLs: Hadoop's shell does the same lines on our cluster and on a real one, with the same texts and exit codes;
# then ours keeps the ACLs over a restart from the journal and over one from a saved image, and Hadoop reads that journal.
. "$(dirname "$0")/lib.sh"
shopt -s extglob

# Lines: [user=NAME] words
lines() { cat <<'LINES'
-mkdir -p /a/d /a/e /a/m
-touchz /a/f
-chmod 640 /a/f
-chmod 1755 /a/e
-getfacl /a/f
-setfacl -m user:bob:rw- /a/f
-getfacl /a/f
-ls /a
-setfacl -m user:bob:r--,user:amy:rwx,group:staff:r-x /a/f
-getfacl /a/f
-chmod 600 /a/f
-getfacl /a/f
-chmod g+rx /a/f
-getfacl /a/f
-stat %a /a/f
-setfacl -m mask::r-- /a/f
-getfacl /a/f
-setfacl -m group::rw- /a/f
-getfacl /a/f
-setfacl -x user:amy /a/f
-getfacl /a/f
-setfacl -x mask:: /a/f
-setfacl -x user:: /a/f
-setfacl -x group:: /a/f
-setfacl -x user:nobody /a/f
-getfacl /a/f
-setfacl -x user:bob,group:staff /a/f
-getfacl /a/f
-setfacl -x mask:: /a/f
-getfacl /a/f
-ls /a
-setfacl -m default:user:bob:rwx /a/f
-setfacl --set user::rwx,group::r-x,other::---,default:user::rwx /a/f
-setfacl -m user:bob:rwx,user:bob:r-- /a/f
-setfacl -m user:bob:rwx /a/f
-setfacl -m user:bob:rw-,user:bob:r-- /a/f
-getfacl /a/f
-setfacl --set user:bob:rwx /a/f
-setfacl --set user::rwx,group::r--,other::r-- /a/f
-getfacl /a/f
-setfacl --set user::rwx,group::r--,other::r--,mask::rwx /a/f
-getfacl /a/f
-ls /a
-setfacl -b /a/f
-getfacl /a/f
-setfacl -m mask::rwx /a/f
-getfacl /a/f
-setfacl -b /a/f
-setfacl --set mask::rwx /a/f
-setfacl -m mask:bob:rwx /a/f
-setfacl -m other:bob:rwx /a/f
-setfacl -m default:mask:bob:rwx /a/d
-setfacl -m default:mask::rwx /a/d
-getfacl /a/d
-setfacl -m default:user:bob:r-x /a/d
-getfacl /a/d
-mkdir /a/d/sub
-touchz /a/d/file
-getfacl -R /a/d
-ls -R /a
-setfacl -m default:user:bob:rwx,user:amy:r-x /a/d
-setfacl -m default:mask::r-- /a/d
-setfacl -x default:group:: /a/d
-getfacl /a/d
-setfacl -x default:mask:: /a/d
-setfacl -x default:user:bob /a/d
-getfacl /a/d
-setfacl -k /a/d
-getfacl /a/d
-setfacl -k /a/d
-setfacl -k /a/f
-setfacl -b /a/d
-setfacl -b /a/d
-getfacl /a/d
-setfacl -R -m user:eve:r-x,default:user:eve:r-x /a/d
-getfacl -R /a/d
-setfacl -R -x user:eve,default:user:eve /a/d
-getfacl -R /a/d
-setfacl -m user:bob:rwx,default:group:staff:rwx /a/e
-setfacl --set default:user:eve:r-x /a/e
-getfacl /a/e
-setfacl --set user::rwx,user:eve:--x,group::r-x,other::r-- /a/e
-getfacl /a/e
-setfacl --set user::rwx,group::---,other::---,default:user::rwx,default:group::r--,default:other::r-- /a/e
-getfacl /a/e
-mkdir /a/e/sub
-touchz /a/e/file
-getfacl -R /a/e
-setfacl -m user:zoë:r--,user:Zed:r--,user:amy:r-- /a/e
-getfacl /a/e
-setfacl -m MANY28 /a/m
-setfacl -m user:one:r-- /a/m
-setfacl -m MANY29 /a/m
-setfacl -m MANY33 /a/m
-setfacl -m DMANY28 /a/m
-setfacl -m DMANY29 /a/m
-setfacl -m DMANY33 /a/m
-getfacl /a/m
-setfacl -m user:bob:rw- /a/none
-getfacl /a/none
-setfacl -b /a/none
-setfacl
-setfacl -m bad /a/f
-chmod 750 /a/f
-setfacl -m user:bob:r--,group:staff:--- /a/f
user=bob -cat /a/f
user=amy -cat /a/f
user=bob -setfacl -m user:bob:rwx /a/f
user=bob -setfacl -b /a/f
user=bob -setfacl -k /a/d
user=bob -setfacl -x user:bob /a/f
user=bob -setfacl --set user::rwx,group::rwx,other::rwx /a/f
user=bob -setfacl -m user:bob:rwx /a/f/below
-chown bob /a/f
user=bob -setfacl -m user:amy:r-- /a/f
user=amy -cat /a/f
user=amy -getfacl /a/f
-setfacl -m user:bob:rwx,default:user:bob:rwx /
-getfacl /
-mkdir /b
-getfacl /b
-setfacl -b /
-getfacl -R /a
LINES
}

many() { # PREFIX N
    local i list
    for ((i = 1; i <= $2; i++)); do list=${list:+$list,}$1user:u$i:r--; done
    echo "$list"
}

prepare() { # the lines as ShellLines wants them; MANY and DMANY become many entries
    local line user
    local -a words
    while IFS= read -r line; do
        [[ $line =~ DMANY([0-9]+) ]] && line=${line/DMANY*([0-9])/$(many default: "${BASH_REMATCH[1]}")}
        [[ $line =~ MANY([0-9]+) ]] && line=${line/MANY*([0-9])/$(many "" "${BASH_REMATCH[1]}")}
        user=""
        read -ra words <<<"$line"
        case ${words[0]} in user=*) user=${words[0]#user=} words=("${words[@]:1}") ;; esac
        printf '%s\t' "$user"
        printf '\t%s' "${words[@]}"
        printf '\n'
    done < <(lines)
}

run() { # NAME URL: the lines on that cluster
    mkdir "$scratch/$1"
    HADOOP_PEER_CP=$scratch "$peer" class ShellLines "$2" "$scratch/lines" "$scratch/$1" >"$scratch/$1.log" 2>&1 ||
        { cat "$scratch/$1.log" >&2; fail "the shell on $1"; }
    sed -E -i -e '/^[0-9-]{10} [0-9:,]+ (WARN|INFO|ERROR)/d' -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}/DATE/' "$scratch/$1"/*
}

acls() { "$peer" dfs "$url" -getfacl -R / 2>/dev/null; }

start_cluster 1
real=$scratch/real
at_end() { "$peer" stop "$real"; }
other=$(HADOOP_PEER_SERVER_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1" "$peer" start "$real" 1 "$(free_base)") || fail "the real cluster does not start"
javac -cp "$("$peer" classpath)" -d "$scratch" "$here/ShellLines.java" || fail "javac"
prepare >"$scratch/lines"
run ours "$url"
run theirs "$other"
if ! diff -r -U1 "$scratch/theirs" "$scratch/ours"; then
    fail "the clusters differ; see the lines by number in this script"
fi

acls >"$scratch/before"
grep -q '^default:user:u28:r--' "$scratch/before" || fail "no ACLs to keep"
"$cluster" restart-namenode "$dir" >/dev/null || fail "restart from the journal"
acls | diff "$scratch/before" - || fail "the journal does not keep ACLs"
"$dfs" admin -fs "$url" -safemode enter >/dev/null && "$dfs" admin -fs "$url" -saveNamespace >/dev/null || fail "saveNamespace"
"$peer" dfs "$url" -setfacl -m user:bob:r-- /a/f 2>&1 | grep -q 'Cannot modify ACL entries on /a/f. Name node is in safe mode' || fail "safe mode"
"$cluster" restart-namenode "$dir" >/dev/null || fail "restart from the image"
acls | diff "$scratch/before" - || fail "the image does not keep ACLs"

edits=$(grep -l -a zed -i "$dir"/name/current/edits_* | head -1)
"$peer" class org.apache.hadoop.hdfs.tools.offlineEditsViewer.OfflineEditsViewer -i "$edits" -o "$scratch/edits.xml" >/dev/null 2>&1 ||
    fail "Hadoop does not read $edits"
[ "$(grep -c '<OPCODE>OP_SET_ACL<' "$scratch/edits.xml")" -gt 40 ] || fail "SET_ACL records are missing"
echo "acl: $(wc -l <"$scratch/lines") command lines, none differs; journal and image keep the ACLs"
