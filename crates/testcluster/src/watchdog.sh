# Ends and removes a cluster whose owner has died: our input ends when the owner's end of it is closed, however it ended.
# An owner who has cleaned up himself says so with a line. $1 is the cluster's folder.
read -r _ && exit 0

pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)

# The number in a file left behind may belong to another process by now.
runs() {
    { cat "/proc/$pid/cmdline" 2>/dev/null || ps -o args= -p "$pid" 2>/dev/null; } | grep -qaF -- "$1/data"
}

runs "$1" && kill -QUIT "$pid"
tries=0
while runs "$1" && [ "$tries" -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
runs "$1" && kill -KILL "$pid"
rm -rf -- "$1"
