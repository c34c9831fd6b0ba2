# Runs a component and ends it when whoever asked for it is gone: standard input is a pipe that the asker holds open, and that
# the system closes for one who was killed. A line on it means: stay. Arguments: the component's folder, its command.
folder=$1
shift
component=
gone=
trap 'gone=yes; [ -z "$component" ] || kill -9 "$component" 2>/dev/null' TERM
trap 'watcher=' USR1
"$@" </dev/null &
component=$!
echo "$component" >"$folder/pid"
exec 3<&0
(
  if read -r _ <&3; then kill -USR1 $$; else kill -TERM $$; fi
) &
watcher=$!
# A signal interrupts the wait; the component ends it.
while :; do
  wait "$component"
  code=$?
  [ "$code" -gt 128 ] && kill -0 "$component" 2>/dev/null || break
done
[ -z "$watcher" ] || kill "$watcher" 2>/dev/null
[ -z "$gone" ] || rm -rf "$folder"
exit "$code"
