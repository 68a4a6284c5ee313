#!/bin/sh
FOOTFALL_TOOL=mytool FOOTFALL_URL=https://stats.example.com FOOTFALL_VERSION=1.4.0 FOOTFALL_KEY=""
FOOTFALL_COMMAND="mytool telemetry"
. "$(dirname "$0")/footfall.sh"

if [ "${1-}" = telemetry ]; then # status, on, local, off, show, erase
    shift
    footfall_cli "$@"
    exit
fi

footfall_trap build "$@" # one event when the script ends: duration, outcome, names of flags
echo built
footfall_track cache outcome=success properties.hits=3 # and whatever else you ask yourself
