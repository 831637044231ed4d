# Streams between two nodes of one network, both on this machine and without root. What begins with ":" is not shown.
: left() { env STATE_DIRECTORY="$LEFT/kept" APPLIANCE_STATE_DIR="$LEFT/run" "$@"; }
: right() { env STATE_DIRECTORY="$RIGHT/kept" APPLIANCE_STATE_DIR="$RIGHT/run" "$@"; }
right appliance peers
left appliance serve date --run date &
: sleep 1
right appliance connect left date </dev/null
left appliance service register echo &
: sleep 2
right appliance service list
echo 'hello over the overlay' | right appliance connect left echo
mkdir inbox && left appliance receive inbox --once &
: sleep 1
seq 1000000 > numbers && right appliance send numbers left
cmp numbers inbox/right/numbers && echo 'the same bytes'
