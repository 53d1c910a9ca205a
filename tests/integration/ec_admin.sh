#!/usr/bin/env bash
# Erasure coding policies: Hadoop's `hdfs ec` and our `dfs ec`, on our NameNode and on a real one, write the same lines and end with the same
# codes; folders and files with policies look the same to both shells. The lines go three times over each NameNode (each time it ends
# as it began): once to get there, once by Hadoop's command, once by ours.
. "$(dirname "$0")/lib.sh"
real=$scratch/real
at_end() { "$peer" stop "$real" 2>/dev/null; }
javac -cp "$("$peer" classpath)" -d "$scratch" "$here/ShellLines.java" || fail "javac"

# Lines: [user=NAME] words; # in a path: the side's letter, so that folders are each side's own
lines() { cat <<LINES
ec -listPolicies
ec -listPolicies more
ec -verifyClusterSetup
ec -verifyClusterSetup more
ec -verifyClusterSetup -policy
ec -verifyClusterSetup -policy XOR-2-1-1024k
ec -verifyClusterSetup -policy XOR-2-1-1024k RS-3-2-1024k
ec -verifyClusterSetup -policy replication
ec -verifyClusterSetup -policy none
ec -enablePolicy
ec -enablePolicy -policy
ec -enablePolicy -policy none
ec -enablePolicy -policy XOR-2-1-1024k more
ec -enablePolicy -policy XOR-2-1-1024k
ec -enablePolicy -policy RS-3-2-1024k
ec -listPolicies
ec -disablePolicy
ec -disablePolicy -policy none
ec -disablePolicy -policy RS-3-2-1024k
ec -disablePolicy -policy RS-3-2-1024k
user=eve ec -enablePolicy -policy RS-3-2-1024k
user=eve ec -disablePolicy -policy XOR-2-1-1024k
user=eve ec -removePolicy -policy XOR-2-1-1024k
user=eve ec -listPolicies
ec -addPolicies
ec -addPolicies -policyFile
ec -addPolicies -policyFile $scratch/good.xml more
ec -addPolicies -policyFile $scratch/good.xml
user=eve ec -addPolicies -policyFile $scratch/good.xml
ec -addPolicies -policyFile $scratch/refused.xml
ec -addPolicies -policyFile $scratch/layout.xml
ec -addPolicies -policyFile $scratch/units.xml
ec -addPolicies -policyFile $scratch/zero.xml
ec -addPolicies -policyFile $scratch/codec.xml
ec -addPolicies -policyFile $scratch/cell.xml
ec -addPolicies -policyFile $scratch/aligned.xml
ec -addPolicies -policyFile $scratch/none.xml
ec -listPolicies
ec -enablePolicy -policy RS-4-2-64k
ec -removePolicy
ec -removePolicy -policy none
ec -removePolicy -policy XOR-2-1-1024k
ec -removePolicy -policy XOR-3-1-4k
ec -listPolicies
-mkdir /#
-mkdir -p /#/a/b /#/r /#/c
-chmod 755 /#
ec -getPolicy
ec -getPolicy -path
ec -getPolicy -path /#
ec -getPolicy -path /#/none
ec -getPolicy -path /#/a more
ec -setPolicy
ec -setPolicy -policy XOR-2-1-1024k
ec -setPolicy -path /#/none
ec -setPolicy -path /#/a -policy none
ec -setPolicy -path /#/a -policy RS-3-2-1024k
ec -setPolicy -path /#/a -policy XOR-2-1-1024k -replicate
ec -setPolicy -path /#/a more
ec -setPolicy -path /#/c
ec -setPolicy -path /#/a -policy XOR-2-1-1024k
ec -setPolicy -path /#/r -replicate
user=eve ec -setPolicy -path /#/a
user=eve ec -unsetPolicy -path /#/a
user=eve ec -getPolicy -path /#/a
ec -getPolicy -path /#/a
ec -getPolicy -path /#/a/b
ec -getPolicy -path /#/r
ec -getPolicy -path /
-ls -e /#
-ls -R -e /#
-ls -d /#/a
-count -e /# /#/a /#/r /#/c
-count -q -e -h /# /#/a
-count -v -e /#
-du /#
-stat %F%n%r%o%b /#/a /#/r
-getfattr -d /#/a
ec -unsetPolicy
ec -unsetPolicy -path /#/none
ec -unsetPolicy -path /#/a/b
ec -unsetPolicy -path /#/a
ec -unsetPolicy -path /#/r
ec -unsetPolicy -path /#/c more
ec -unsetPolicy -path /#/c
-touchz /#/f
ec -setPolicy -path /#/f
ec -unsetPolicy -path /#/f
ec -getPolicy -path /#/f
-ls -e /#/f
-count -e /#/f
-rm -r -f -skipTrash /#
ec -disablePolicy -policy XOR-2-1-1024k
ec -disablePolicy -policy RS-4-2-64k
ec -none
ec none
ec -help -none
ec -help a b
LINES
}

policies() { # NAME LAYOUT K CODEC CELL
  cat >"$scratch/$1.xml" <<XML
<?xml version="1.0"?>
<configuration><!-- a comment -->
<layoutversion>$2</layoutversion>
<schemas>
  <schema id="one"><codec>$4</codec><k> $3 </k><m>2</m></schema>
  <schema id="two"><codec>xor</codec><k>3</k><m>1</m><extra>x y</extra></schema>
</schemas>
<policies>
  <policy><schema>one</schema><cellsize>$5</cellsize></policy>
  <policy><schema>two</schema><cellsize>4096</cellsize></policy>
</policies>
</configuration>
XML
}
policies good 1 4 rs 65536; policies refused 1 15 rs 65536; policies layout x 4 rs 65536; policies units 1 many rs 65536
policies zero 1 0 rs 65536; policies codec 1 4 none 65536; policies cell 1 4 rs much; policies aligned 1 4 rs 1000
printf '<configuration><layoutversion>1</layoutversion><schemas/><policies/></configuration>' >"$scratch/none.xml"

run() { # hadoop|ours NAME URL LETTER
  local n=0 user words
  mkdir -p "$scratch/$2"
  lines | sed "s|#|$4|g" >"$scratch/$2.lines"
  if [ "$1" = hadoop ]; then
    sed "s|^user=\([^ ]*\) |\1\t\t|; t done; s|^|\t\t|; :done" "$scratch/$2.lines" | sed 's| |\t|g' >"$scratch/$2.java"
    HADOOP_PEER_CP=$scratch "$peer" class ShellLines "$3" "$scratch/$2.java" "$scratch/$2" >"$scratch/java.log" 2>&1 || fail "ShellLines: $(tail -3 "$scratch/java.log")"
    return
  fi
  while read -r words; do
    n=$((n + 1)); user=
    case $words in user=*) user=${words#user=}; user=${user%% *}; words=${words#* } ;; esac
    case $words in ec*) words="ec -fs $3${words#ec}" ;; *) words="-fs $3 $words" ;; esac
    # shellcheck disable=SC2086
    env ${user:+HADOOP_USER_NAME=$user} "$dfs" $words >"$scratch/$2/$n.out" 2>"$scratch/$2/$n.err" </dev/null
    echo $? >"$scratch/$2/$n.rc"
  done <"$scratch/$2.lines"
}
# usage and help are in our own words; a message about a file says where in it
mask() {
  sed -E -e '/^Usage: |^Generic options/,$d' -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}/DATE/' -e "s|$scratch/[a-z]*\.xml:[0-9]+: ||" \
    -e 's/^[a-z]+: (Call From|org\.)/\1/' -e '/^\tat /d' -e 's/(verifyClusterSetup), convert$/\1/' -e "s|/$2\b|/#|g" "$1" | sed '/^$/d'
}
compare() { # NAME LETTER NAME LETTER
  local n=0 words part bad=0
  while read -r words; do
    n=$((n + 1))
    for part in out err rc; do
      mask "$scratch/$1/$n.$part" "$2" >"$scratch/one"; mask "$scratch/$3/$n.$part" "$4" >"$scratch/other"
      cmp -s "$scratch/one" "$scratch/other" || { bad=1; echo "$words: $part: < $1, > $3"; diff "$scratch/one" "$scratch/other"; } >&2
    done
  done < <(lines)
  [ $bad = 0 ] || fail "$1 and $3 differ"
}

"$peer" namenode "$real" "$(free_base | tee "$scratch/base")" || fail "the real NameNode does not start"
their_url=hdfs://127.0.0.1:$(cat "$scratch/base")
start_cluster 0
"$dfs" ec -fs "$url" -listCodecs | diff - <(printf 'Erasure Coding Codecs: Codec [Coder List]\n\tRS [RS_NATIVE]\n\tRS-LEGACY [RS-LEGACY_NATIVE]\n\tXOR [XOR_NATIVE]\n') || fail "-listCodecs"
wait_until 60 "$dfs" -fs "$their_url" -mkdir -p /up || fail "the real NameNode isn't up"
"$dfs" -fs "$url" -mkdir -p /up
both_commands() { run ours "$1.first" "$2" w && run hadoop "$1.hadoop" "$2" h && run ours "$1.ours" "$2" o; }
(both_commands theirs "$their_url") & theirs=$!
both_commands ours "$url"; wait $theirs || fail "the lines don't run on the real NameNode"
compare theirs.hadoop h theirs.ours o
compare ours.hadoop h ours.ours o
compare theirs.hadoop h ours.ours o
echo "$(lines | wc -l) lines, the same by two commands on two NameNodes"
