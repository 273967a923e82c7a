#!/bin/busybox sh
# Runs hvt guests, one after the other, at the bidding of a test: `place.sh NUMBER`, in the Linux that
# hvt/nested.rs boots. Commands come by a port of the virtio console, and what is said goes there.
number=$1
until [ -c "$port" ]; do
    sleep 0.1
    port=$(echo /dev/vport*p$((number + 1)))
done
exec 0<> "$port" 1>&0 2>&0
echo "place $number"
while read -r command options; do
    case $command in
        boot)
            # The disk that was just plugged in bears the place's name.
            until serial=$(grep -lx "place$number" /sys/block/vd*/serial 2> /dev/null); do sleep 0.05; done
            disk=/dev/$(basename "$(dirname "$serial")")
            until [ -b "$disk" ]; do sleep 0.05; done
            kalends run hvt /image --block "$disk" --net "tap$number" --mac "02:00:00:00:00:0$number" \
                --memory 256 -- $options &
            guest=$!
            ;;
        kill)
            # The last who closes a disk writes out all that Linux holds of it: that is done when this is.
            kill -9 $guest
            wait $guest
            echo "ended"
            ;;
        ask)
            # A process that has ended and was not waited for runs no program.
            [ -n "$(readlink /proc/$guest/exe)" ] && echo "running" || echo "not running"
            ;;
    esac
done
